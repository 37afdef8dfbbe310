from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0014_split_artists")]

    operations = [
        migrations.AddField(
            model_name="song",
            name="disc_number",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
    ]
