"""Large uploads that go on after a break, questions about possible duplicates, and rows taken off the upload page."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import catalog.models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0003_song_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="hidden_at",
            field=models.DateTimeField(blank=True, help_text="When its owner took it off the upload page.", null=True),
        ),
        migrations.CreateModel(
            name="UploadSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(default=catalog.models._public_id, editable=False, max_length=32, unique=True),
                ),
                (
                    "file_name",
                    models.CharField(help_text="As the person knows it; never used as a path.", max_length=300),
                ),
                (
                    "fingerprint",
                    models.CharField(
                        blank=True,
                        help_text="By this the sender's program recognises the same file later.",
                        max_length=500,
                    ),
                ),
                ("metadata", models.TextField(blank=True, help_text="What the sender said of it, as it was sent.")),
                ("size_bytes", models.PositiveBigIntegerField()),
                ("offset_bytes", models.PositiveBigIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="upload_sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "upload",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="session",
                        to="catalog.upload",
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            name="PossibleDuplicate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "verdict",
                    models.CharField(
                        choices=[("open", "Not decided"), ("both", "Keep both")], default="open", max_length=4
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                (
                    "other",
                    models.ForeignKey(
                        help_text="The one that was here.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="catalog.song",
                    ),
                ),
                (
                    "song",
                    models.ForeignKey(
                        help_text="The newer.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="possible_duplicates",
                        to="catalog.song",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [models.UniqueConstraint(fields=("song", "other"), name="possible_duplicate_once")],
            },
        ),
    ]
