"""How listeners said they were before listening."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from recommender.exceptions import MoodInvalid, PlaylistInvalid
from recommender.models import MoodReport, Playlist
from recommender.selectors import moods_of, moods_recent, playlists_of
from recommender.values import Listener, Target


def mood_report(*, listener: Listener, valence: float, arousal: float) -> MoodReport:
    """Keep how a listener says they are now.

    Raises:
        MoodInvalid: an axis is outside [-1, 1] or not a number, or the listener is nobody.
    """
    try:
        Target.of_point(valence, arousal)
    except PlaylistInvalid:
        raise MoodInvalid(
            _("A mood lies between -1 and 1 on both axes; this one is %(valence)s, %(arousal)s.")
            % {"valence": valence, "arousal": arousal}
        ) from None
    if listener.user is None and not listener.session_key:
        raise MoodInvalid(_("A mood must belong to a user or to a browser session."))
    session_key = "" if listener.user else listener.session_key
    return MoodReport.objects.create(listener=listener.user, session_key=session_key, valence=valence, arousal=arousal)


@transaction.atomic
def mood_withdraw(*, listener: Listener, mood: MoodReport | None = None) -> None:
    """Forget how a listener said they were; lists that were made meanwhile forget it too, but not where journeys begin.

    Args:
        listener: who said it.
        mood: what to forget, which the caller got from `mood_visible`; None forgets all of the last half hour.
    """
    forgotten = moods_recent(listener) if mood is None else moods_of(listener).filter(pk=mood.pk)
    for valence, arousal in forgotten.values_list("valence", "arousal"):
        made = playlists_of(listener).exclude(kind=Playlist.Kind.JOURNEY)
        made.filter(mood_valence=valence, mood_arousal=arousal).update(mood_valence=None, mood_arousal=None)
    forgotten.delete()
