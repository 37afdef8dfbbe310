"""Notices what listeners play, wherever it is recorded."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from recommender.models import Listen, ScrobbleAccount
from recommender.scrobbling.services import listen_noted


@receiver(post_save, sender=Listen, dispatch_uid="recommender.scrobbling")
def tell_services(instance: Listen, created: bool, **_: Any) -> None:
    """Tell the services of a listener what plays, and queue what was played."""
    if instance.listener_id is None or not ScrobbleAccount.objects.filter(listener=instance.listener_id).exists():
        return
    if instance.outcome != Listen.Outcome.STARTED:
        listen_noted(listen=instance)
    elif created:
        # Without a broker nobody learns it, and the song plays all the same.
        name, pk = "recommender.tasks.playing_tell", instance.pk
        transaction.on_commit(lambda: current_app.send_task(name, args=[pk], expires=120), robust=True)
