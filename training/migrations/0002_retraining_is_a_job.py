"""Retrainings share the columns of all claimed work."""

from datetime import timedelta

from django.db import migrations, models
from django.db.models.functions import Coalesce, Now


def carry_over(apps, schema_editor):
    rows = apps.get_model("training", "Retraining").objects
    rows.update(state_changed_at=Coalesce("finished_at", "started_at", "created_at"))
    rows.filter(state="running").update(attempts=1, due_at=Coalesce("beat_at", Now()) + timedelta(seconds=90))
    rows.filter(state="failed").update(failure_code="error", failure_reason=models.F("outcome"))
    rows.filter(state="failed").update(outcome="")


class Migration(migrations.Migration):
    dependencies = [("training", "0001_models")]

    operations = [
        migrations.AddField(
            "retraining",
            "attempts",
            models.PositiveSmallIntegerField(default=0, help_text="Begun since it was queued."),
        ),
        migrations.AddField(
            "retraining",
            "claim",
            models.CharField(
                blank=True, db_default="", help_text="Only the worker that knows it may finish the job.", max_length=16
            ),
        ),
        migrations.AddField(
            "retraining",
            "due_at",
            models.DateTimeField(
                db_default=Now(), help_text="Waiting: when it may be claimed. Claimed: when the claim runs out."
            ),
        ),
        migrations.AddField("retraining", "failure_code", models.CharField(blank=True, max_length=40)),
        migrations.AddField(
            "retraining",
            "failure_reason",
            models.TextField(blank=True, help_text="A sentence that a curator understands."),
        ),
        migrations.AddField("retraining", "state_changed_at", models.DateTimeField(db_default=Now())),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.RemoveConstraint("retraining", "retraining_one_at_a_time"),
        migrations.RemoveField("retraining", "is_active"),
        migrations.RemoveField("retraining", "beat_at"),
        migrations.RemoveField("retraining", "finished_at"),
        migrations.AlterField(
            "retraining",
            "outcome",
            models.TextField(blank=True, help_text="How it ended, in a sentence, unless it failed."),
        ),
        migrations.AddConstraint(
            "retraining",
            models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(("state__in", ["queued", "running"])),
                name="retraining_one_at_a_time",
            ),
        ),
    ]
