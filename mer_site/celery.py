"""The Celery application. Queue `gpu` analyses songs (solo pool), queue `default` does the rest."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, before_task_publish, celeryd_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mer_site.settings")

app = Celery("mer_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
@beat_init.connect
@before_task_publish.connect
def _servers_ensure(**_: Any) -> None:
    # A process may use the broker before the database.
    from mer_site.local import embedded

    embedded.ensure_running()
