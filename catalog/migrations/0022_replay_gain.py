from django.db import migrations, models


def _gain(help_text: str = "") -> models.FloatField:
    return models.FloatField(blank=True, help_text=help_text, null=True)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0021_no_songs_by_type")]

    operations = [
        migrations.AddField(
            "song", "track_gain_db", _gain("As tags have it: the gain that leads the song to -18 LUFS.")
        ),
        migrations.AddField("song", "track_peak", _gain("The highest sample, of full scale 1.")),
        migrations.AddField("song", "album_gain_db", _gain("The same of its whole album.")),
        migrations.AddField("song", "album_peak", _gain()),
    ]
