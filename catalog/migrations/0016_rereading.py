from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0015_disc_number")]

    operations = [
        migrations.AddField(
            model_name="song",
            name="reader",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="Which version of the program last read its file; 0 for those before 0.3.",
            ),
        ),
        migrations.AddField(
            model_name="songchange",
            name="is_reread",
            field=models.BooleanField(db_default=False, default=False, help_text="What the files say, read again."),
        ),
    ]
