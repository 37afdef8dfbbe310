"""An upload that arrives in pieces is called a partial upload."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("catalog", "0008_song_tags_changed"),
    ]

    operations = [
        migrations.RenameModel("UploadSession", "PartialUpload"),
        migrations.AlterField(
            model_name="partialupload",
            name="owner",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="partial_uploads",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="partialupload",
            name="upload",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="partial_upload",
                to="catalog.upload",
            ),
        ),
    ]
