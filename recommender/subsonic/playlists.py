"""Playlists: those that the listener saved or made by hand, and their moods."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from recommender import selectors
from recommender.models import Playlist
from recommender.services import collecting
from recommender.services import playlists as services
from recommender.subsonic import moods
from recommender.subsonic.answers import time_written
from recommender.subsonic.calls import Call, missing, not_allowed
from recommender.subsonic.moods import MoodListShown
from recommender.subsonic.numbers import PLAYLIST, key_of, number_of, song_keys
from recommender.subsonic.shown import songs_shown


def get_playlists(call: Call) -> dict[str, Any]:
    """Return the listener's moods, and the lists that they saved."""
    if call.text("username") not in ("", call.user.get_username()):
        raise not_allowed(_("Playlists belong to one listener."))
    lists = [_mood_shown(call, each) for each in moods.mood_lists(call.user)]
    saved = _described(selectors.playlists_of(call.listener))
    lists += [_shown(call, each) for each in saved.filter(Q(saved_at__isnull=False) | Q(kind__in=Playlist.CHOSEN))]
    return {"playlists": {"playlist": lists}}


def get_playlist(call: Call) -> dict[str, Any]:
    """Return one list with its songs, each with the reason why it is there as a comment."""
    number = call.required("id")
    slug = moods.slug_of(number)
    if slug is None:
        return _answer(call, key_of(number, PLAYLIST))
    mood = moods.mood_list(call.user, slug)
    entries = songs_shown(call.user, mood.song_ids, dict(mood.entries))
    return {"playlist": {**_mood_shown(call, mood), "songCount": len(entries), "entry": entries}}


def _answer(call: Call, pk: int) -> dict[str, Any]:
    playlist = _described(selectors.playlists_of(call.listener)).filter(pk=pk).first()
    if playlist is None:
        # Raises what is said of a list that is not the listener's.
        selectors.playlist_visible(call.listener, pk)
        raise AssertionError
    items = list(playlist.items.order_by("position").values_list("song_id", "reason"))
    entries = songs_shown(call.user, [song_id for song_id, _reason in items], dict(items))
    return {"playlist": {**_shown(call, playlist), "entry": entries}}


def _described(playlists: QuerySet[Playlist]) -> QuerySet[Any]:
    return playlists.annotate(n_songs=Count("items"), total_s=Sum("items__song__duration_s"))


def _shown(call: Call, playlist: Any) -> dict[str, Any]:
    number = number_of(playlist)
    return {
        "id": number,
        "name": playlist.title,
        "comment": playlist.description or playlist.note or None,
        "owner": call.user.get_username(),
        "public": playlist.share_token is not None,
        "songCount": playlist.n_songs,
        "duration": round(playlist.total_s or 0),
        "created": time_written(playlist.created_at),
        "changed": time_written(playlist.updated_at),
        "coverArt": number,
        "readonly": False,
    }


def _mood_shown(call: Call, mood: MoodListShown) -> dict[str, Any]:
    return {
        "id": mood.number,
        "name": mood.name,
        "comment": mood.about or None,
        "owner": call.user.get_username(),
        "public": False,
        "songCount": len(mood.entries),
        "duration": round(mood.total_s),
        "created": time_written(mood.created_at),
        "changed": time_written(mood.changed_at),
        "coverArt": mood.number,
        "readonly": True,
    }


# --- Changes ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_playlist(call: Call) -> dict[str, Any]:
    """Make a list of songs, or give one other songs; a song is in a list once."""
    keys = song_keys(call.texts("songId"))
    if call.text("playlistId"):
        playlist = _own(call, call.text("playlistId"))
        if call.text("name"):
            services.playlist_rename(playlist=playlist, title=call.text("name"))
        collecting.playlist_fill(playlist=playlist, listener=call.listener, song_ids=keys)
        return _answer(call, playlist.pk)
    if not call.text("name"):
        raise missing("name")
    made = collecting.playlist_create_by_hand(listener=call.listener, title=call.text("name"), song_ids=keys)
    return _answer(call, made.pk)


@transaction.atomic
def update_playlist(call: Call) -> dict[str, Any]:
    """Give a list another name or comment, take songs out by their place, and add others to its end."""
    playlist = _own(call, call.required("playlistId"))
    if "name" in call.parameters or "comment" in call.parameters:
        title = call.text("name") or playlist.title
        about = call.text("comment") if "comment" in call.parameters else playlist.description
        collecting.playlist_describe(playlist=playlist, title=title, description=about)
    added = song_keys(call.texts("songIdToAdd"))
    places = {int(text) for text in call.texts("songIndexToRemove") if text.isdecimal() and len(text) < 10}
    if places:
        keys = list(playlist.items.order_by("position").values_list("song_id", flat=True))
        left = [key for place, key in enumerate(keys) if place not in places]
        collecting.playlist_fill(playlist=playlist, listener=call.listener, song_ids=[*left, *added])
    elif added:
        collecting.playlist_add(playlist=playlist, listener=call.listener, song_ids=added)
    return {}


def delete_playlist(call: Call) -> dict[str, Any]:
    """Move a list to the trash; a mood comes back at once, with other songs."""
    number = call.required("id")
    slug = moods.slug_of(number)
    if slug is not None:
        moods.mood_list_renew(user=call.user, slug=slug)
    else:
        services.playlist_trash(playlist=_own(call, number))
    return {}


def _own(call: Call, number: str) -> Playlist:
    if moods.slug_of(number) is not None:
        raise not_allowed(_("A mood is made of itself: copy its songs to a list of your own, or delete it for others."))
    return selectors.playlist_visible(call.listener, key_of(number, PLAYLIST))
