"""The bytes: songs as they are or converted, covers in any size, and lyrics."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePath
from typing import Any

from django.db.models import Q
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase

from catalog.core.names import name_key
from catalog.files.encoding import Encoding, cut_from
from catalog.files.transcoding import transcoded_storage
from catalog.files.views import song_converted, song_response
from catalog.models import Lyrics, Song
from catalog.selectors import ids_by_artist
from recommender.models import Playlist
from recommender.selectors import playlists_of
from recommender.subsonic import moods, pictures
from recommender.subsonic.calls import Call, not_allowed, not_found
from recommender.subsonic.numbers import ALBUM, ARTIST, PLAYLIST, SINGLES, SONG, key_of, read
from recommender.subsonic.shown import cover_song

# What players call formats; without a name, or with another one, they get what all of them play.
_FORMATS = {
    "mp3": (Encoding.MP3_320, Encoding.MP3_192, Encoding.MP3_128),
    "opus": (Encoding.OPUS_128, Encoding.OPUS_96),
    "ogg": (Encoding.OPUS_128, Encoding.OPUS_96),
    "oga": (Encoding.OPUS_128, Encoding.OPUS_96),
    "flac": (Encoding.FLAC,),
}
_ANY = _FORMATS["mp3"]
_RAW = "raw"
# The same sound under other names.
_SAME = {"oga": "ogg", "mp4": "m4a", "aac": "m4a", "aif": "aiff"}
_MOST_OFFSET_S = 86_400
_COVER_PX = 600


def stream(call: Call) -> HttpResponseBase:
    """Send a song: as it is, or converted where the player asks for another format or fewer bits.

    From `timeOffset` on, only what was converted is sent, because the original is never cut.
    """
    song = _song(call)
    name = call.text("format").lower()
    offset_s = call.number("timeOffset", 0, most=_MOST_OFFSET_S)
    encoding = encoding_for(song, name, call.number("maxBitRate", 0))
    if offset_s and encoding is None and name != _RAW:
        encoding = _ANY[0]
    if encoding is None or not offset_s:
        # Its exact length is known, so that there is none to estimate.
        return song_response(call.request, song, encoding)
    return _cut(call, song, encoding, min(float(offset_s), max(song.duration_s - 1.0, 0.0)))


def encoding_for(song: Song, name: str, most_kbit: int) -> Encoding | None:
    """Return what a song is to be converted to; None for the original.

    `name` is a format, or "raw" for the original, `most_kbit` the most kbit/s that the player takes, 0 for any.
    """
    if name == _RAW:
        return None
    suffix = PurePath(str(song.audio.name)).suffix.removeprefix(".").lower()
    rate = song.bit_rate or (8 * song.size_bytes / song.duration_s if song.duration_s else 0)
    fits = not most_kbit or rate <= 1000 * most_kbit
    is_same = not name or _SAME.get(name, name) == _SAME.get(suffix, suffix)
    if fits and (is_same or name not in _FORMATS):
        return None
    offered = _FORMATS.get(name, _ANY)
    if most_kbit and offered == _FORMATS["flac"]:
        # What loses nothing has no limit.
        offered = _ANY
    within = [each for each in offered if not most_kbit or each.bit_rate <= 1000 * most_kbit]
    return within[0] if within else offered[-1]


def _cut(call: Call, song: Song, encoding: Encoding, start_s: float) -> HttpResponseBase:
    whole = Path(transcoded_storage().path(song_converted(call.request, song, encoding)))
    # Gone as soon as it was sent.
    part = tempfile.TemporaryFile(dir=whole.parent)  # noqa: SIM115 - the response closes it.
    try:
        cut_from(whole, part, encoding, start_s)
        part.seek(0)
    except BaseException:
        part.close()
        raise
    response = FileResponse(part, content_type=encoding.mime_type)
    response["Accept-Ranges"] = "none"
    response["Cache-Control"] = "private, no-store"
    return response


def download(call: Call) -> HttpResponseBase:
    """Send a song's file as it is."""
    song = _song(call)
    response = song_response(call.request, song)
    response["Content-Disposition"] = response.get("Content-Disposition", "").replace("inline", "attachment", 1)
    return response


def _song(call: Call) -> Song:
    songs = Song.objects.select_related("artist")
    song = songs.filter(pk=key_of(call.required("id"), SONG)).first()
    if song is None:
        raise not_found()
    return song


# --- Pictures ---------------------------------------------------------------------------------------------------------


def get_cover_art(call: Call) -> HttpResponseBase:
    """Send the cover of a song, album, artist or list, in a size; a drawing where there is none."""
    key = _covered(call, call.required("id"))
    song = Song.objects.select_related("album").filter(pk=key).first() if key is not None else None
    if song is None:
        raise not_found()
    return pictures.cover_response(call.request, song, call.number("size", _COVER_PX, least=16, most=1200))


def _covered(call: Call, number: str) -> int | None:
    """Return the song whose cover stands for what a number names."""
    slug = moods.slug_of(number)
    if slug is not None:
        return next(iter(moods.mood_list(call.user, slug).song_ids), None)
    kind, pk = read(number)
    if kind == SONG:
        return pk
    if kind in (ALBUM, ARTIST):
        return cover_song(kind, pk)
    if kind == SINGLES:
        return cover_song(ARTIST, pk)
    if kind == PLAYLIST:
        playlist: Playlist | None = playlists_of(call.listener).filter(pk=pk).first()
        return playlist.items.order_by("position").values_list("song_id", flat=True).first() if playlist else None
    raise not_found()


def get_avatar(call: Call) -> HttpResponseBase:
    """Send a drawing of the first letter of the listener's own name."""
    name = call.required("username")
    if name != call.user.get_username():
        raise not_allowed()
    return HttpResponse(pictures.initial_drawn(name, 200), content_type=pictures.DRAWN_TYPE)


# --- Lyrics -----------------------------------------------------------------------------------------------------------


def get_lyrics(call: Call) -> dict[str, Any]:
    """Return the words of the song of a name, without times."""
    artist, title = call.text("artist"), call.text("title")
    songs = Song.objects.filter(title__iexact=title, lyrics__isnull=False).select_related("lyrics", "artist")
    if artist:
        songs = songs.filter(Q(pk__in=ids_by_artist(artist__name_key=name_key(artist))) | Q(credit__iexact=artist))
    song = songs.order_by("id").first() if title else None
    if song is None:
        return {"lyrics": {"value": ""}}
    return {"lyrics": {"artist": song.by, "title": song.title, "value": song.lyrics.text}}


def get_lyrics_by_song_id(call: Call) -> dict[str, Any]:
    """Return the words of a song, with the millisecond of each line where that is known."""
    song = _song(call)
    lyrics = Lyrics.objects.filter(song=song).first()
    if lyrics is None:
        return {"lyricsList": {}}
    timed = [{"start": round(1000 * start_s), "value": words} for start_s, words in lyrics.lines]
    structured = {
        "displayArtist": song.by,
        "displayTitle": song.title,
        # Nobody has said which.
        "lang": "und",
        "synced": bool(timed),
        "line": timed or [{"value": words} for words in lyrics.text.splitlines()],
    }
    return {"lyricsList": {"structuredLyrics": [structured]}}
