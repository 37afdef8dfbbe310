from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0020_chosen_folders")]

    operations = [migrations.RemoveIndex(model_name="song", name="song_by_type")]
