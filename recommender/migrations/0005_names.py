from django.db import migrations, models


class Migration(migrations.Migration):
    """Discarded playlists lie in the trash; no row changes."""

    dependencies = [
        ("recommender", "0004_playlist_discarded"),
    ]

    operations = [
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
