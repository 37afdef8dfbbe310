"""What waits in the broker, and a broker that loses it."""

from __future__ import annotations

import json

from mer_site.celery import app as celery_app


def waiting_tasks(queue: str = "gpu") -> list[str]:
    """Return the task that each waiting message is for, in alphabetical order."""
    with celery_app.connection_for_read() as broker:
        messages = broker.default_channel.client.lrange(queue, 0, -1)
    return sorted(json.loads(message)["headers"]["task"] for message in messages)


def lose_messages() -> None:
    """Empty the broker, bindings of its queues included, as a restart without its data does."""
    with celery_app.connection_for_write() as broker:
        broker.default_channel.client.flushdb()
