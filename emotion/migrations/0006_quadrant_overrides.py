import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

QUADRANTS = [(1, "Happy"), (2, "Tense"), (3, "Sad"), (4, "Calm")]


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0005_song_edits"),
        ("emotion", "0005_waveform"),
    ]

    operations = [
        migrations.AddField(
            model_name="emotionestimate",
            name="heard_quadrant",
            field=models.PositiveSmallIntegerField(
                blank=True,
                choices=QUADRANTS,
                help_text="What the model said, kept while a curator's word serves in its place.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="emotionestimate", name="heard_valence", field=models.FloatField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="emotionestimate", name="heard_arousal", field=models.FloatField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="emotionestimate",
            name="heard_at",
            field=models.DateTimeField(db_default=Now(), help_text="When the model did; curators do not change it."),
        ),
        migrations.RunSQL("UPDATE emotion_emotionestimate SET heard_at = updated_at", migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="emotionestimate",
            index=models.Index(
                condition=models.Q(("is_current", True)), fields=["-heard_at"], name="estimate_current_heard"
            ),
        ),
        migrations.CreateModel(
            name="QuadrantOverride",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "quadrant",
                    models.PositiveSmallIntegerField(
                        blank=True, choices=QUADRANTS, help_text="Empty: the model's own serves again.", null=True
                    ),
                ),
                (
                    "before",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        choices=QUADRANTS,
                        help_text="What served before; empty when the song had no tag.",
                        null=True,
                    ),
                ),
                (
                    "was_set",
                    models.BooleanField(default=False, help_text="Whether what served before was a curator's word."),
                ),
                ("note", models.CharField(blank=True, max_length=300)),
                ("is_current", models.BooleanField(default=True)),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="overrides", to="catalog.songchange"
                    ),
                ),
                (
                    "song",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="overrides", to="catalog.song"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_current", True)),
                        fields=("song",),
                        name="override_one_current_per_song",
                    )
                ],
            },
        ),
    ]
