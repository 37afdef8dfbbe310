from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("emotion", "0009_saliency_map")]

    operations = [
        migrations.RemoveIndex("emotionestimate", "estimate_current_written"),
        migrations.AddIndex(
            "emotionestimate",
            models.Index(
                condition=models.Q(("is_current", True)),
                fields=["song"],
                include=("updated_at", "quadrant"),
                name="estimate_current_written",
            ),
        ),
    ]
