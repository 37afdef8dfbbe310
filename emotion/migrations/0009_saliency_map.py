from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("emotion", "0008_estimate_is_the_models")]

    operations = [
        migrations.RemoveConstraint("attentionmap", "attentionmap_unique_per_song_and_version"),
        migrations.RenameModel("AttentionMap", "SaliencyMap"),
        migrations.RenameIndex("saliencymap", new_name="saliencymap_next", old_name="attentionmap_next"),
        migrations.AddConstraint(
            "saliencymap",
            models.UniqueConstraint(fields=("song", "model_version"), name="saliencymap_unique_per_song_and_version"),
        ),
    ]
