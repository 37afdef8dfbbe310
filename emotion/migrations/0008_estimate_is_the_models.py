import django.db.models.deletion
import django.db.models.functions
import django.utils.timezone
from django.db import migrations, models

QUADRANTS = [(1, "Happy"), (2, "Tense"), (3, "Sad"), (4, "Calm")]

# An override lay in the estimate's own columns, and what the model had said beside it.
_RESTORE = """
    UPDATE emotion_emotionestimate
    SET quadrant = heard_quadrant, valence = coalesce(heard_valence, valence), arousal = coalesce(heard_arousal, arousal)
    WHERE heard_quadrant IS NOT NULL
"""
_OVERWRITE = """
    UPDATE emotion_emotionestimate estimate
    SET heard_quadrant = estimate.quadrant, heard_valence = estimate.valence, heard_arousal = estimate.arousal,
        quadrant = override.quadrant,
        valence = CASE WHEN override.quadrant IN (1, 4) THEN greatest(estimate.valence, 0.01)
                       ELSE least(estimate.valence, -0.01) END,
        arousal = CASE WHEN override.quadrant IN (1, 2) THEN greatest(estimate.arousal, 0.01)
                       ELSE least(estimate.arousal, -0.01) END
    FROM emotion_quadrantoverride override
    WHERE estimate.is_current AND override.is_current AND override.song_id = estimate.song_id
        AND override.quadrant IS NOT NULL
"""
# Never later than the estimates, which were touched with each change: what an index holds stays valid.
_DATE = """
    UPDATE emotion_quadrantoverride override SET changed_at = greatest(change.made_at, change.undone_at)
    FROM catalog_songchange change WHERE change.id = override.change_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0008_song_tags_changed"),
        ("emotion", "0007_jobs"),
    ]

    operations = [
        migrations.RunSQL(_RESTORE, _OVERWRITE),
        migrations.RemoveField(model_name="emotionestimate", name="heard_quadrant"),
        migrations.RemoveField(model_name="emotionestimate", name="heard_valence"),
        migrations.RemoveField(model_name="emotionestimate", name="heard_arousal"),
        migrations.RemoveIndex(model_name="emotionestimate", name="estimate_current_heard"),
        migrations.RenameField(model_name="emotionestimate", old_name="heard_at", new_name="analysed_at"),
        migrations.AlterField(
            model_name="emotionestimate",
            name="analysed_at",
            field=models.DateTimeField(db_default=django.db.models.functions.Now()),
        ),
        migrations.AddIndex(
            model_name="emotionestimate",
            index=models.Index(
                condition=models.Q(("is_current", True)), fields=["-analysed_at"], name="estimate_current_analysed"
            ),
        ),
        migrations.AddField(
            model_name="quadrantoverride",
            name="changed_at",
            field=models.DateTimeField(
                auto_now=True,
                default=django.utils.timezone.now,
                help_text="When it was said, or last became or ceased to be current: the index goes by it.",
            ),
            preserve_default=False,
        ),
        migrations.RunSQL(_DATE, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="quadrantoverride",
            name="quadrant",
            field=models.PositiveSmallIntegerField(
                blank=True, choices=QUADRANTS, help_text="Empty: the model's answer counts again.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="quadrantoverride",
            name="before",
            field=models.PositiveSmallIntegerField(
                blank=True,
                choices=QUADRANTS,
                help_text="What counted before; empty when the song had no tag.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="quadrantoverride",
            name="was_set",
            field=models.BooleanField(default=False, help_text="Whether what counted before was a curator's word."),
        ),
        migrations.AlterField(
            model_name="quadrantoverride",
            name="song",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="overrides",
                to="catalog.song",
            ),
        ),
        migrations.AddIndex(
            model_name="quadrantoverride",
            index=models.Index(fields=["song", "-changed_at"], name="override_by_song"),
        ),
        migrations.AddIndex(
            model_name="quadrantoverride",
            index=models.Index(fields=["-changed_at"], name="override_newest"),
        ),
    ]
