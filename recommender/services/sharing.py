"""Playlists shared by an unguessable link."""

from __future__ import annotations

import secrets

from django.db import transaction
from django.utils import timezone

from catalog.core.charts import Point
from recommender.generate import predict_items
from recommender.models import Playlist, PlaylistItem
from recommender.requests import owner_check
from recommender.selectors import SharedSong, shared_songs
from recommender.values import Listener

_TOKEN_BYTES = 32


def playlist_share(*, playlist: Playlist) -> str:
    """Return the token that opens a playlist to everyone; a shared playlist keeps its token."""
    # The condition keeps two clicks from making two links of which one is dead.
    Playlist.objects.filter(pk=playlist.pk, share_token=None).update(share_token=secrets.token_urlsafe(_TOKEN_BYTES))
    playlist.refresh_from_db(fields=["share_token"])
    return playlist.share_token or ""


def playlist_unshare(*, playlist: Playlist) -> None:
    """Withdraw the link; sharing again makes another one."""
    playlist.share_token = None
    playlist.save(update_fields=["share_token", "updated_at"])


@transaction.atomic
def playlist_copy(*, shared: Playlist, listener: Listener) -> Playlist:
    """Copy a shared playlist to one of the visitor's.

    It holds the songs and their public reasons, and what the visitor, not the owner, is predicted to feel. The owner's
    mood and the path of a journey, which begins with it, stay behind; so the copy is a list like one from a file.

    Raises:
        PlaylistInvalidError: the visitor has neither account nor session.
    """
    owner_check(listener)
    songs = shared_songs(shared)
    copy = Playlist.objects.create(
        **listener.owner_fields("owner"),
        title=shared.title,
        kind=Playlist.Kind.IMPORTED,
        target_quadrant=shared.target_quadrant,
        target_valence=shared.target_valence,
        target_arousal=shared.target_arousal,
        requested_length=max(len(songs), 1),
        seed=0,
        model_version=shared.model_version,
        saved_at=timezone.now(),
        arranged_at=timezone.now(),
    )
    felt = predict_items(listener=listener, song_ids=[each.song.pk for each in songs])
    PlaylistItem.objects.bulk_create(_copied(copy, each, felt.get(each.song.pk)) for each in songs)
    return copy


def _copied(copy: Playlist, shared: SharedSong, felt: Point | None) -> PlaylistItem:
    felt_valence, felt_arousal = felt or (None, None)
    return PlaylistItem(
        playlist=copy,
        position=shared.position,
        song=shared.song,
        reason=shared.reason,
        felt_valence=felt_valence,
        felt_arousal=felt_arousal,
    )
