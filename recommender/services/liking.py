"""Taking a like back by itself, whatever else was said of the song."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from catalog.models import Song
from recommender.models import FeltRating, Playlist
from recommender.reasons.reasons import Cause
from recommender.services.reranking import rest_rerank
from recommender.values import Listener, RerankResult


def like_withdraw(*, user: User, song: Song, playlist: Playlist | None = None) -> RerankResult | None:
    """Forget whether a listener liked a song; a rating that says nothing else goes with it.

    Args:
        user: the listener.
        song: what was liked, or disliked.
        playlist: the playlist that is playing; its unplayed rest is re-ranked if there was something to forget.

    Raises:
        PlaylistNotFound: the playlist is not this listener's.
    """
    if not _forget(user, song) or playlist is None:
        return None
    return rest_rerank(playlist=playlist, listener=Listener(user=user), because_of=song, cause=Cause.WITHDRAWN)


@transaction.atomic
def _forget(user: User, song: Song) -> bool:
    rating = FeltRating.objects.select_for_update().filter(listener=user, song=song).first()
    if rating is None or rating.liked is None:
        return False
    if rating.felt_valence is None and rating.familiar is None and not rating.felt_nothing and not rating.skipped:
        rating.delete()
    else:
        rating.liked = None
        rating.save(update_fields=["liked", "updated_at"])
    return True
