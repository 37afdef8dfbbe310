"""Mood check-ins: how listeners are before listening, as they state it."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from recommender.exceptions import CheckInInvalidError, PlaylistInvalidError
from recommender.models import MoodCheckIn, Playlist
from recommender.selectors import check_ins_of, check_ins_recent, playlists_of
from recommender.values import Listener, Target


def check_in_create(*, listener: Listener, valence: float, arousal: float) -> MoodCheckIn:
    """Record how a listener is now.

    Raises:
        CheckInInvalidError: an axis is not in [-1, 1], or the listener has neither account nor session.
    """
    try:
        Target.of_point(valence, arousal)
    except PlaylistInvalidError:
        raise CheckInInvalidError(
            _("A mood lies between -1 and 1 on both axes; this one is %(valence)s, %(arousal)s.")
            % {"valence": valence, "arousal": arousal}
        ) from None
    if listener.is_nobody:
        raise CheckInInvalidError(_("A mood must belong to a user or to a browser session."))
    return MoodCheckIn.objects.create(**listener.owner_fields("listener"), valence=valence, arousal=arousal)


@transaction.atomic
def check_in_withdraw(*, listener: Listener, check_in: MoodCheckIn | None = None) -> None:
    """Delete a check-in, and that mood from the lists made meanwhile, though not from where journeys begin.

    Args:
        listener: who checked in.
        check_in: what to delete, from `check_in_visible`; None deletes all of the last half hour.
    """
    withdrawn = check_ins_recent(listener) if check_in is None else check_ins_of(listener).filter(pk=check_in.pk)
    for valence, arousal in withdrawn.values_list("valence", "arousal"):
        made = playlists_of(listener).exclude(kind=Playlist.Kind.JOURNEY)
        made.filter(mood_valence=valence, mood_arousal=arousal).update(mood_valence=None, mood_arousal=None)
    withdrawn.delete()
