from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0005_song_edits"),
    ]

    operations = [
        migrations.AddIndex(model_name="song", index=models.Index(fields=["title", "-id"], name="song_by_title")),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(
                models.OrderBy(models.F("year"), descending=True, nulls_last=True),
                models.OrderBy(models.F("id"), descending=True),
                name="song_by_year",
            ),
        ),
    ]
