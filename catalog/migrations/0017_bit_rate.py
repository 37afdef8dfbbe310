from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0016_rereading")]

    operations = [
        migrations.AddField(
            model_name="song",
            name="bit_rate",
            field=models.PositiveBigIntegerField(
                blank=True,
                help_text="bit/s of the sound, without tags and cover; null until it is read.",
                null=True,
            ),
        ),
    ]
