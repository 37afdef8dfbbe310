from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0009_partial_uploads"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="song",
            index=models.Index(fields=["mime_type"], name="song_by_type"),
        ),
    ]
