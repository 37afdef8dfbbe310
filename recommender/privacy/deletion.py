"""Deletion of what was learned about a listener, or of the whole account."""

from __future__ import annotations

from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.fields import CharField
from django.db.models.functions import Cast

from emotion.inference.quadrants import Quadrant
from emotion.selectors import current_estimates
from recommender.models import Playlist, PlaylistItem
from recommender.privacy.inventory import KINDS, LEARNED_FROM, Kind
from recommender.reasons.reasons import public_reason

_BATCH = 500


@transaction.atomic
def learning_forget(*, user: User) -> int:
    """Delete a listener's ratings, moods, listens and predictions; their playlists stay as lists of songs.

    The listener's model is fitted to these rows whenever it is needed, so nothing of it remains. What playlists show of
    it (reasons, predictions, moods) goes as well. A second call finds nothing.

    Returns:
        How many ratings, moods and listens there were.
    """
    _locked(user)
    n_forgotten = 0
    for kind in LEARNED_FROM:
        _log_forget(kind, user)
        n_forgotten += kind.queryset(user).delete()[0]
    Playlist.objects.filter(owner=user).update(mood_valence=None, mood_arousal=None)
    _predictions_forget(user)
    return n_forgotten


@transaction.atomic
def account_delete(*, user: User) -> None:
    """Delete an account and everything that belongs to it; songs stay. A second call finds nothing.

    Sessions end on all devices; tokens and shared links stop working. What staff did with models stays on record,
    without a name.
    """
    if not _locked(user):
        return
    for kind in KINDS:
        if not kind.kept:
            _log_forget(kind, user)
    _sessions_end(user)
    User.objects.filter(pk=user.pk).delete()


def _locked(user: User) -> bool:
    # A writer of a row that points to the user waits for this lock, and then finds no such user.
    return User.objects.select_for_update().filter(pk=user.pk).first() is not None


def _predictions_forget(user: User) -> None:
    """Reduce each song in a playlist to what is true for every listener."""
    items = PlaylistItem.objects.filter(playlist__owner=user).order_by("pk").select_related("song")
    changed = []
    for item in items.prefetch_related(current_estimates("song__estimates")).iterator(chunk_size=_BATCH):
        estimates = item.song.current_estimates  # type: ignore[attr-defined]
        item.reason = ""
        if estimates:
            item.reason = public_reason(Quadrant(estimates[0].effective_quadrant), estimates[0].effective_confidence)
        item.felt_valence = item.felt_arousal = None
        item.terms = {}
        changed.append(item)
    PlaylistItem.objects.bulk_update(changed, ["reason", "felt_valence", "felt_arousal", "terms"], batch_size=_BATCH)


def _log_forget(kind: Kind, user: User) -> None:
    """Delete the staff's log entries about a user's rows, which repeat their names."""
    if kind.model._meta.auto_created:
        return
    rows = kind.queryset(user).order_by().annotate(as_text=Cast("pk", CharField()))
    logged = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(kind.model))
    logged.filter(object_id__in=rows.values("as_text")).delete()


def _sessions_end(user: User) -> None:
    """End a user's sessions everywhere. A session reveals its user only when decoded, so all are read."""
    sessions = Session.objects.iterator(chunk_size=_BATCH)
    theirs = [each.pk for each in sessions if each.get_decoded().get(SESSION_KEY) == str(user.pk)]
    Session.objects.filter(pk__in=theirs).delete()
