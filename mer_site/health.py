"""GET /healthz: whether database, broker and an analysis worker run."""

import logging
from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError

from emotion.selectors import workers_alive
from mer_site.celery import app

logger = logging.getLogger(__name__)


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if all parts run, else 503; the body names the state of each."""
    parts = {"database": _state(_database), "broker": _state(_broker), "worker": _state(_worker)}
    healthy = all(state == "ok" for state in parts.values())
    body = {"status": "ok" if healthy else "unavailable", **parts}
    return JsonResponse(body, status=200 if healthy else 503)


def _state(check: Callable[[], str]) -> str:
    # A probe reports a driver's error as a state, without a traceback.
    try:
        return check()
    except (DatabaseError, OSError, OperationalError) as error:
        logger.warning("healthz: %s: %s", check.__name__.lstrip("_"), error)
        return "unreachable"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _broker() -> str:
    with app.connection_for_write() as broker:
        # Raises kombu's OperationalError for any transport.
        broker.ensure_connection(max_retries=1, timeout=2)
    return "ok"


def _worker() -> str:
    workers = workers_alive()
    if not workers:
        return "no analysis worker has reported within the last half minute"
    # A worker that cannot load the live model is alive, but analyses nothing.
    return "ok" if any(not worker.problem for worker in workers) else workers[0].problem
