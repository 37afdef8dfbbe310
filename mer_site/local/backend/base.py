"""Django's PostgreSQL backend; it starts or joins the embedded server before it connects.

Nothing else needs the server, so `collectstatic`, `help` and `predict` never start it.
"""

from typing import Any

from django.db import OperationalError
from django.db.backends.postgresql import base

from mer_site.local import embedded
from mer_site.local.servers import EmbeddedError


class DatabaseWrapper(base.DatabaseWrapper):
    """Starts or joins the embedded servers at the first connection of a process."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            embedded.ensure_running()
        except EmbeddedError as error:
            # Callers handle a database that cannot be reached.
            raise OperationalError(str(error)) from error
        return super().get_new_connection(conn_params)
