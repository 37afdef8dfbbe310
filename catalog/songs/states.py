"""Moves songs to the analysis and back; the analysis itself is claimed work (`catalog.core.claims`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core import claims
from catalog.exceptions import SongNotRetryableError
from catalog.models import Song
from catalog.signals import song_uploaded

# An announcement is made at once after the commit; one that took longer was lost with its process.
ANNOUNCE_LEASE_S = 60.0
_State = Song.State


def songs_announce(*, song_ids: Sequence[int]) -> None:
    """Announce after the commit that songs are ready to be analysed.

    A receiver that fails (no broker) is logged and does not undo the upload: the tick finds the songs.
    """
    ids = list(song_ids)
    if ids:
        transaction.on_commit(lambda: song_uploaded.send_robust(sender=Song, song_ids=ids))


def songs_queue(*, song_ids: Iterable[int]) -> list[int]:
    """Queue uploaded or failed songs; return those that were not queued already."""
    return claims.reset(Song.objects.filter(pk__in=list(song_ids), state__in=[_State.UPLOADED, _State.FAILED]))


def songs_queue_unannounced() -> None:
    """Queue uploaded songs whose announcement never arrived."""
    before = timezone.now() - dt.timedelta(seconds=ANNOUNCE_LEASE_S)
    claims.reset(Song.objects.filter(state=_State.UPLOADED, state_changed_at__lt=before))


def song_retry(*, song: Song) -> None:
    """Analyse a failed song again; raise SongNotRetryableError for any other."""
    if not songs_retry(song_ids=[song.pk]):
        song.refresh_from_db(fields=["state"])
        state = song.get_state_display().lower()
        raise SongNotRetryableError(_("This song is %(state)s; only failed songs can be retried.") % {"state": state})
    song.refresh_from_db()


def songs_retry(*, song_ids: Iterable[int]) -> list[int]:
    """Analyse the failed ones of these songs again; return those."""
    return songs_reanalyse(song_ids=song_ids, states=[_State.FAILED])


def songs_reanalyse(
    *, song_ids: Iterable[int], states: Collection[Song.State] = (_State.ANALYSED, _State.FAILED)
) -> list[int]:
    """Analyse analysed and failed songs again; return those that were not already waiting."""
    with transaction.atomic():
        rows = Song.objects.filter(pk__in=list(song_ids), state__in=states)
        moved = claims.reset(rows, state=_State.UPLOADED)
        songs_announce(song_ids=moved)
    return moved
