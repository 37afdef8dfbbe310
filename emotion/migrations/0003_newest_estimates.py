from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("emotion", "0002_models_labels_reanalysis")]

    operations = [
        migrations.AddIndex(
            model_name="emotionestimate",
            index=models.Index(
                fields=["-updated_at"], condition=models.Q(("is_current", True)), name="estimate_current_newest"
            ),
        ),
        migrations.AddIndex(
            model_name="emotionestimate",
            index=models.Index(
                fields=["song"],
                include=["updated_at"],
                condition=models.Q(("is_current", True)),
                name="estimate_current_written",
            ),
        ),
    ]
