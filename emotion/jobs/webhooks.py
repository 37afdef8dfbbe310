"""Tells other programs that songs were analysed: a signed message for each song and webhook, sent until it arrives."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.dispatch import receiver
from django.utils import timezone

from catalog.core import claims
from catalog.core.secrets import decrypt, encrypt
from catalog.exceptions import AddressRefusedError, ServiceAwayError
from catalog.models import Song
from catalog.web import address_check, ask
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate, Webhook, WebhookDelivery
from emotion.signals import song_analysed

logger = logging.getLogger(__name__)

EVENT = "song.analysed"
# After the first, second, ... attempt.
WAITS_S = (60, 300, 1800, 7200, 21_600, 43_200, 86_400)
TIMEOUT_S = 10.0
_PURPOSE = "webhooks"


def webhook_create(*, url: str, may_be_private: bool = False) -> tuple[Webhook, str]:
    """Name an address that is told of analysed songs; return it, and the secret of its signatures.

    An address that is named again gets a new secret.

    Raises:
        AddressRefusedError: It is no address of a web server.
    """
    secret = secrets.token_urlsafe(32)
    values = {"secret": encrypt(secret, _PURPOSE), "may_be_private": may_be_private}
    webhook, _is_new = Webhook.objects.update_or_create(url=address_check(url), defaults=values)
    return webhook, secret


@receiver(song_analysed, dispatch_uid="emotion.webhooks")
def deliveries_add(song_ids: Collection[int], **_: Any) -> None:
    """Queue a message for each song and webhook; one that still waits says what is so when it is sent."""
    webhooks = list(Webhook.objects.all())
    if not webhooks:
        return
    songs = Song.objects.filter(pk__in=song_ids, state=Song.State.ANALYSED).values_list("pk", flat=True)
    rows = [
        WebhookDelivery(webhook=webhook, song_id=pk, due_at=Now(), state_changed_at=Now())
        for webhook in webhooks
        for pk in songs
    ]
    WebhookDelivery.objects.bulk_create(
        rows,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["webhook", "song"],
        update_fields=["state", "attempts", "claim", "due_at", "failure_code", "failure_reason", "state_changed_at"],
    )
    WEBHOOKS.wake_on_commit()


def message_of(song: Song, estimate: EmotionEstimate) -> dict[str, Any]:
    """Return what a webhook is told of a song."""
    return {
        "event": EVENT,
        "sent_at": timezone.now().isoformat(),
        "song": {
            "id": song.pk,
            "title": song.title,
            "artist": song.by,
            "duration_s": song.duration_s,
            "content_sha256": song.content_hash,
            "recording_id": song.recording_id,
            "quadrant": Quadrant(estimate.effective_quadrant).name,
            "valence": round(estimate.effective_valence, 4),
            "arousal": round(estimate.effective_arousal, 4),
            "confidence": round(estimate.effective_confidence, 4),
            "is_overridden": estimate.is_overridden,
            "model_version": estimate.model_version,
        },
    }


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message: HMAC-SHA256 of the time, a dot and the body, in hexadecimal."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def webhook_step() -> bool:
    """Send one message; return whether there was one."""
    for row in WEBHOOKS.claim():
        with claims.released_on_error([row]), claims.renewed(row):
            estimates = EmotionEstimate.objects.with_effective()
            estimate = estimates.filter(song=row.song, is_current=True).first()
            if estimate is None:
                claims.finish(row)
            elif problem := _sent(row, message_of(row.song, estimate)):
                _put_off(row, problem)
            else:
                claims.finish(row)
        return True
    return False


def _sent(row: WebhookDelivery, message: dict[str, Any]) -> str:
    """Send a message; return why it did not arrive."""
    body, timestamp = json.dumps(message).encode(), str(int(timezone.now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "X-Moodplane-Event": EVENT,
        "X-Moodplane-Delivery": str(row.pk),
        "X-Moodplane-Timestamp": timestamp,
        "X-Moodplane-Signature": f"sha256={signature(decrypt(row.webhook.secret, _PURPOSE), timestamp, body)}",
    }
    try:
        answer = ask(
            "POST",
            row.webhook.url,
            headers=headers,
            body=body,
            may_be_private=row.webhook.may_be_private,
            timeout_s=TIMEOUT_S,
            max_bytes=64 * 1024,
        )
    except (ServiceAwayError, AddressRefusedError) as error:
        return str(error)
    return "" if answer.is_ok else f"It answered with {answer.status}."


def _put_off(row: WebhookDelivery, problem: str) -> None:
    logger.info("Webhook %s did not take song %d: %s", row.webhook, row.song_id, problem)
    if row.attempts >= row.MAX_ATTEMPTS:
        claims.fail(row, code="not_taken", reason=problem)
    else:
        claims.release(row, wait_s=WAITS_S[row.attempts - 1], failure_reason=problem)


def _rows() -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.select_related("webhook", "song__artist")


WEBHOOKS = claims.register(
    claims.Kind("webhooks", WebhookDelivery, "emotion.tasks.webhooks_go_on", _rows, webhook_step)
)
