"""Songs share the columns of all claimed work; what was under way waits to be claimed again."""

from django.db import migrations, models
from django.db.models.functions import Now


def due_fill(apps, schema_editor):
    songs = apps.get_model("catalog", "Song").objects
    # The workers of the release before are gone with it, and their claims carry no token.
    songs.filter(state__in=["queued", "analysing"]).update(due_at=Now())
    songs.filter(due_at__isnull=True).update(due_at=models.F("state_changed_at"))


class Migration(migrations.Migration):
    dependencies = [("catalog", "0006_song_orders")]

    operations = [
        migrations.RemoveIndex("song", "song_state_lease"),
        migrations.RenameField("song", "lease_expires_at", "due_at"),
        migrations.RunPython(due_fill, migrations.RunPython.noop),
        migrations.AlterField(
            "song",
            "due_at",
            models.DateTimeField(
                db_default=Now(), help_text="Waiting: when it may be claimed. Claimed: when the claim runs out."
            ),
        ),
        migrations.AlterField("song", "state_changed_at", models.DateTimeField(db_default=Now())),
        migrations.AlterField(
            "song", "attempts", models.PositiveSmallIntegerField(default=0, help_text="Begun since it was queued.")
        ),
        migrations.AddField(
            "song",
            "claim",
            models.CharField(
                blank=True, db_default="", help_text="Only the worker that knows it may finish the job.", max_length=16
            ),
        ),
        migrations.AddIndex("song", models.Index(fields=["state", "due_at"], name="song_state_due")),
    ]
