import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0022_replay_gain")]

    operations = [
        migrations.CreateModel(
            name="Lyrics",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField(help_text="Lines, as they are shown where they have no times.")),
                (
                    "lines",
                    models.JSONField(
                        default=list,
                        help_text="Each with the second at which it begins, such as "
                        '[[12.3, "Hello"]]; empty without times.',
                    ),
                ),
                (
                    "source",
                    models.CharField(choices=[("tag", "Its tags"), ("file", "A file beside it")], max_length=4),
                ),
                (
                    "signature",
                    models.CharField(blank=True, help_text="Of the file beside it that was last read.", max_length=60),
                ),
                (
                    "song",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="lyrics", to="catalog.song"
                    ),
                ),
            ],
            options={"verbose_name_plural": "lyrics"},
        ),
    ]
