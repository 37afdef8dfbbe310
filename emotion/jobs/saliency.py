"""Finds out, when somebody asks, where the network looked when it tagged a song."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Song
from emotion.exceptions import AudioUnreadableError, CheckpointError, TagNotExplainable
from emotion.jobs.hearings import (
    MAX_ATTEMPTS,
    RETRY_S,
    hearing_claim,
    hearing_fail,
    hearing_finish,
    hearing_put_back,
    hearings_drop_of_others,
    hearings_due,
)
from emotion.models import AttentionMap, EmotionEstimate
from emotion.selectors import (
    ServedModel,
    current_estimate,
    served_model,
    served_version,
    workers_alive,
)
from emotion.services.pictures import attention_picture

if TYPE_CHECKING:
    from emotion.inference.checkpoint import Card
    from emotion.inference.network import QuadrantNetwork

# A message that has not been answered for so long is sent again.
STALE_S = 60.0


def attention_request(*, song: Song) -> AttentionMap:
    """Ask for the explanation of a song's tag; asking again changes nothing, unless it failed, which is tried anew.

    Raises:
        TagNotExplainable: the song has no tag, or one by a model that no longer serves.
    """
    from emotion.tasks import explain_tag

    estimate, version = current_estimate(song), served_version()
    if estimate is None:
        raise TagNotExplainable(_("The model has not tagged this song yet; there is nothing to explain."))
    if estimate.model_version != version:
        raise TagNotExplainable(
            _(
                "This tag is by model %(version)s, and %(live)s is live: it can be explained after the song was "
                "heard again."
            )
            % {"version": estimate.model_version, "live": version or _("none")}
        )
    with transaction.atomic():
        found, is_new = AttentionMap.objects.get_or_create(song=song, model_version=version)
        again = AttentionMap.objects.filter(pk=found.pk, state=AttentionMap.State.FAILED).update(
            state=AttentionMap.State.WAITING, attempts=0, failure_code="", failure_reason="", due_at=timezone.now()
        )
        if is_new or again:
            transaction.on_commit(lambda: explain_tag.delay(found.pk))
    found.refresh_from_db()
    return found


def attention_make(*, pk: int) -> bool:
    """Run the network once more and keep where it looked; return whether this call made it."""
    served = served_model()
    version = served_version()
    row = hearing_claim(AttentionMap.objects.all(), model_version=version, pk=pk) if version else None
    if row is None:
        return False
    try:
        return hearing_finish(row, **_look(row, served))
    except AudioUnreadableError as error:
        if Path(row.song.audio.path).exists() or row.attempts >= MAX_ATTEMPTS:
            return not hearing_fail(row, code=error.code, reason=str(error))
        return not hearing_put_back(row, wait_s=RETRY_S)
    except CheckpointError as error:
        return not hearing_fail(row, code=error.code, reason=str(error))
    except Exception:
        hearing_put_back(row, wait_s=RETRY_S)
        raise


def attention_tick() -> list[int]:
    """Forget explanations of replaced tags, pictures included; return those whose message must be sent again."""
    tag = EmotionEstimate.objects.filter(
        song=OuterRef("song"), model_version=OuterRef("model_version"), is_current=True
    )
    for row in AttentionMap.objects.filter(~Exists(tag)).select_related("song"):
        attention_picture(row).unlink(missing_ok=True)
        row.delete()
    version = served_version()
    hearings_drop_of_others(AttentionMap.objects.all(), [version])
    if not workers_alive():
        return []
    stale = timezone.now() - dt.timedelta(seconds=STALE_S)
    lost = hearings_due(AttentionMap.objects.filter(updated_at__lt=stale), version)
    ids = list(lost.order_by("pk").values_list("pk", flat=True))
    AttentionMap.objects.filter(pk__in=ids).update(updated_at=timezone.now())
    return ids


@dataclass(slots=True)
class _Memory:
    """The network with its gradients, on the CPU: the engine that tags cannot look back."""

    served: ServedModel | None = None
    loaded: tuple[QuadrantNetwork, Card] | None = None


_memory = _Memory()
_loading = threading.Lock()


def _network_get(served: ServedModel) -> tuple[QuadrantNetwork, Card]:
    from emotion.inference import checkpoint

    with _loading:
        if served.weights is None:
            raise CheckpointError("There are no model weights; set MOODPLANE_WEIGHTS, or train with manage.py train.")
        if _memory.loaded is None or _memory.served != served:
            _memory.loaded = None
            _memory.loaded, _memory.served = checkpoint.load(served.weights), served
        return _memory.loaded


def _look(row: AttentionMap, served: ServedModel) -> dict[str, object]:
    from emotion.inference.audio import read_window
    from emotion.saliency.saliency import attention, bands_that_weighed, seconds_that_weighed

    network, card = _network_get(served)
    window = read_window(Path(row.song.audio.path), window_s=card.mel.window_s)
    found = attention(network, card, window)
    return {
        "quadrant": found.quadrant.value,
        "window_start_s": window.start_s,
        "window_s": window.heard_s,
        "n_rows": found.heat.shape[0],
        "heat_bytes": found.heat.astype("<f4").tobytes(),
        "weighed": {
            "seconds": [asdict(span) for span in seconds_that_weighed(found.heat, window, card.mel)],
            "bands_hz": [asdict(span) for span in bands_that_weighed(found.heat, card.mel)],
        },
    }
