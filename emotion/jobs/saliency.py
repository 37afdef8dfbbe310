"""Computes, on request, where the network looked when it analysed a song."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from catalog.core import claims
from catalog.files.storage import local_copy
from catalog.models import Song
from emotion.exceptions import AudioUnreadableError, CheckpointError, NotExplainableError, SaliencyUnavailableError
from emotion.models import EmotionEstimate, SaliencyMap
from emotion.selectors import ServedModel, current_estimate, served_model, served_version
from emotion.services.analysis import fail_unreadable
from emotion.services.pictures import saliency_picture

if TYPE_CHECKING:
    from emotion.inference.checkpoint import Card
    from emotion.zoo.registry import Network


def saliency_request(*, song: Song) -> SaliencyMap:
    """Request the explanation of a song's estimate; a second request only retries what failed.

    Raises:
        NotExplainableError: The song has no estimate, or one by a model that no longer serves.
    """
    estimate, version = current_estimate(song), served_version()
    if estimate is None:
        raise NotExplainableError(_("The model has not analysed this song yet; there is nothing to explain."))
    if estimate.model_version != version:
        raise NotExplainableError(
            _(
                "This estimate is by model %(version)s, and %(live)s is live: it can be explained "
                "after the song is analysed again."
            )
            % {"version": estimate.model_version, "live": version or _("none")}
        )
    with transaction.atomic():
        row, is_new = SaliencyMap.objects.get_or_create(song=song, model_version=version)
        if claims.reset(SaliencyMap.objects.filter(pk=row.pk, state=SaliencyMap.FAILED)) or is_new:
            SALIENCY.wake_on_commit()
    row.refresh_from_db()
    return row


def saliency_step() -> bool:
    """Run the network once more for one song and store where it looked; return whether this call did it."""
    for row in SALIENCY.claim():
        with claims.released_on_error([row]), claims.renewed(row):
            try:
                return claims.finish(row, **_look(row))
            except AudioUnreadableError as error:
                fail_unreadable(row, row.song.audio, error)
            except (CheckpointError, SaliencyUnavailableError) as error:
                claims.fail(row, code=error.code, reason=str(error))
    return False


def saliency_prepare() -> None:
    """Delete explanations of replaced estimates with their pictures, and what earlier models left undone."""
    current = EmotionEstimate.objects.filter(song=OuterRef("song"), is_current=True)
    current = current.filter(model_version=OuterRef("model_version"))
    for row in SaliencyMap.objects.filter(~Exists(current)).select_related("song"):
        saliency_picture(row).unlink(missing_ok=True)
        row.delete()
    claims.pending(SaliencyMap.objects.exclude(model_version=served_version())).delete()


def _rows() -> QuerySet[SaliencyMap]:
    return SaliencyMap.objects.filter(model_version=served_version()).select_related("song")


SALIENCY = claims.register(
    claims.Kind("saliency", SaliencyMap, "emotion.tasks.explain_estimate", _rows, saliency_step, saliency_prepare)
)


# The engine that analyses songs has no gradients; this network, on the CPU, has.
@lru_cache(maxsize=1)
def _network_load(served: ServedModel) -> tuple[Network, Card]:
    from emotion.inference import checkpoint

    if served.weights is None:
        raise CheckpointError("There are no model weights; set MOODPLANE_WEIGHTS, or train with manage.py train.")
    return checkpoint.load(served.weights)


def _look(row: SaliencyMap) -> dict[str, Any]:
    from emotion.saliency.saliency import bands_that_weighed, hirescam, seconds_that_weighed
    from emotion.signal.audio import read_window

    network, card = _network_load(served_model())
    with local_copy(row.song.audio) as path:
        window = read_window(path, window_s=card.frontend.window_s)
    saliency = hirescam(network, card, window)
    image = card.frontend.image
    assert image is not None  # Or there is no saliency.
    return {
        "quadrant": saliency.quadrant.value,
        "window_start_s": window.start_s,
        "window_s": window.duration_s,
        "n_rows": saliency.heat.shape[0],
        "heat_bytes": saliency.heat.astype("<f4").tobytes(),
        "weighed": {
            "seconds": [span._asdict() for span in seconds_that_weighed(saliency.heat, window, image)],
            "bands_hz": [span._asdict() for span in bands_that_weighed(saliency.heat, image)],
        },
    }
