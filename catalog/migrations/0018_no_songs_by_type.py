from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0017_bit_rate")]

    operations = [migrations.RemoveIndex(model_name="song", name="song_by_type")]
