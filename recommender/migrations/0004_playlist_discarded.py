from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0003_ratings_by_listener"),
    ]

    operations = [
        migrations.AddField(
            model_name="playlist",
            name="discarded_at",
            field=models.DateTimeField(
                blank=True, db_index=True, help_text="Thrown away by its listener, who may want it back.", null=True
            ),
        ),
    ]
