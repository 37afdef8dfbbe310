import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Mood reports become check-ins and discarded playlists lie in the trash; no row changes."""

    dependencies = [
        ("recommender", "0004_playlist_discarded"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="moodreport", name="mood_report_in_range"),
        migrations.RenameModel(old_name="MoodReport", new_name="MoodCheckIn"),
        migrations.AlterField(
            model_name="moodcheckin",
            name="listener",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mood_check_ins",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="moodcheckin",
            constraint=models.CheckConstraint(
                condition=models.Q(("arousal__range", (-1, 1)), ("valence__range", (-1, 1))),
                name="mood_check_in_in_range",
            ),
        ),
        migrations.RenameField(model_name="playlist", old_name="discarded_at", new_name="trashed_at"),
        migrations.AlterField(
            model_name="playlist",
            name="trashed_at",
            field=models.DateTimeField(
                blank=True,
                db_index=True,
                help_text="In the trash, from which its listener may restore it.",
                null=True,
            ),
        ),
    ]
