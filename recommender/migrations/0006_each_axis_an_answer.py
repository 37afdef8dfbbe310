from django.db import migrations, models


class Migration(migrations.Migration):
    """A felt rating may answer one axis alone; no row changes, since an old 0.00 may have been meant."""

    dependencies = [("recommender", "0005_names")]

    operations = [
        migrations.RemoveConstraint(model_name="feltrating", name="felt_rating_both_axes_in_range"),
        migrations.AddConstraint(
            model_name="feltrating",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("felt_valence__isnull", True), ("felt_valence__range", (-1, 1)), _connector="OR"),
                    models.Q(("felt_arousal__isnull", True), ("felt_arousal__range", (-1, 1)), _connector="OR"),
                ),
                name="felt_rating_felt_in_range",
            ),
        ),
    ]
