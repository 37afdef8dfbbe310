from django.db import migrations, models

_CHANGED = models.Q(("tags_changed_at__isnull", False))


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0007_song_is_a_job"),
    ]

    operations = [
        migrations.AddField(
            model_name="song",
            name="tags_changed_at",
            field=models.DateTimeField(blank=True, help_text="When a curator last changed its tags.", null=True),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(condition=_CHANGED, fields=["-tags_changed_at"], name="song_tags_changed_newest"),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(
                condition=_CHANGED, fields=["id"], include=("tags_changed_at",), name="song_tags_changed"
            ),
        ),
    ]
