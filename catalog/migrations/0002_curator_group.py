"""Curators are the members of this group; `catalog.permissions` asks for it by name."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def curator_group_create(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("auth", "Group").objects.get_or_create(name="curator")


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    # The group stays on the way back: it may have members by then.
    operations = [migrations.RunPython(curator_group_create, migrations.RunPython.noop)]
