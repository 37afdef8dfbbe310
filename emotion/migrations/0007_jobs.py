"""Re-analysis items, curves, attention maps and waveforms share the columns of all claimed work."""

from django.db import migrations, models
from django.db.models.functions import Now

_STATES = [("waiting", "Waiting"), ("claimed", "Claimed"), ("done", "Done"), ("failed", "Failed")]
_UNREADABLE = "The file could not be read."


def waveforms_state(apps, schema_editor):
    """Until now a waveform without a time was done, or given up if nothing was stored."""
    waveforms = apps.get_model("emotion", "Waveform").objects
    ended = waveforms.filter(due_at__isnull=True)
    ended.exclude(peaks_bytes=b"").update(state="done", due_at=Now())
    ended.filter(peaks_bytes=b"", due_at__isnull=True).update(
        state="failed", failure_code="unreadable", failure_reason=_UNREADABLE, due_at=Now()
    )


def items_due(apps, schema_editor):
    apps.get_model("emotion", "ReanalysisItem").objects.filter(due_at__isnull=True).update(due_at=Now())


def _state():
    return models.CharField(choices=_STATES, default="waiting", max_length=10)


def _attempts():
    return models.PositiveSmallIntegerField(default=0, help_text="Begun since it was queued.")


def _claim():
    return models.CharField(
        blank=True, db_default="", help_text="Only the worker that knows it may finish the job.", max_length=16
    )


def _due_at():
    return models.DateTimeField(
        db_default=Now(), help_text="Waiting: when it may be claimed. Claimed: when the claim runs out."
    )


def _reason():
    return models.TextField(blank=True, help_text="A sentence that a curator understands.")


def _changed():
    return models.DateTimeField(db_default=Now())


class Migration(migrations.Migration):
    dependencies = [("catalog", "0007_song_is_a_job"), ("emotion", "0006_quadrant_overrides")]

    operations = [
        # Messages name no chain any more: at most one waits, whoever sent it.
        migrations.RemoveField("reanalysis", "chain"),
        migrations.RemoveField("reanalysis", "beat_at"),
        *(
            operation
            for model in ("emotioncurve", "attentionmap")
            for operation in (
                migrations.RenameField(model, "updated_at", "state_changed_at"),
                migrations.AlterField(model, "state_changed_at", _changed()),
                migrations.AlterField(model, "state", _state()),
                migrations.AlterField(model, "attempts", _attempts()),
                migrations.AlterField(model, "claim", _claim()),
                migrations.AlterField(model, "due_at", _due_at()),
            )
        ),
        migrations.RenameField("reanalysisitem", "changed_at", "state_changed_at"),
        migrations.AlterField("reanalysisitem", "state_changed_at", _changed()),
        migrations.AlterField("reanalysisitem", "attempts", _attempts()),
        migrations.AlterField("reanalysisitem", "failure_reason", _reason()),
        migrations.AddField("reanalysisitem", "claim", _claim()),
        migrations.RunPython(items_due, migrations.RunPython.noop),
        migrations.AlterField("reanalysisitem", "due_at", _due_at()),
        migrations.AddField("waveform", "state", _state()),
        migrations.AddField("waveform", "claim", _claim()),
        migrations.AddField("waveform", "failure_code", models.CharField(blank=True, max_length=40)),
        migrations.AddField("waveform", "failure_reason", _reason()),
        migrations.AddField("waveform", "state_changed_at", _changed()),
        migrations.AlterField("waveform", "attempts", _attempts()),
        migrations.RunPython(waveforms_state, migrations.RunPython.noop),
        migrations.AlterField("waveform", "due_at", _due_at()),
        migrations.AddIndex(
            "waveform",
            models.Index(
                condition=models.Q(("state__in", ["waiting", "claimed"])), fields=["due_at"], name="waveform_next"
            ),
        ),
    ]
