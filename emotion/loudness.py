"""How loud a song and its album are, for a player that plays all of them alike."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from catalog.models import Song

# ReplayGain leads to it.
REPLAY_GAIN_LUFS = -18.0
# "Greatest hits" of many artists may be one album.
_ALBUM_SONGS = 500
_COLUMNS = ("waveform__loudness_lufs", "waveform__true_peak_dbtp", "track_gain_db", "track_peak")


@dataclass(frozen=True, slots=True)
class Loudness:
    """In LUFS and dB of full scale; None where nobody knows."""

    lufs: float | None = None
    peak_db: float | None = None
    album_lufs: float | None = None
    album_peak_db: float | None = None


@dataclass(frozen=True, slots=True)
class _Level:
    duration_s: float
    lufs: float | None
    peak_db: float | None
    is_measured: bool


def loudness_read(song: Song) -> Loudness:
    """Return how loud a song and its album are: as they were measured here, or else as their tags say.

    All songs are measured alike and with true peaks, while tags come from many programs. The loudness of an album is
    the mean power of its songs over their lengths.
    """
    return loudness_of([song])[song.pk]


def loudness_of(songs: Sequence[Song]) -> dict[int, Loudness]:
    """Return by song how loud it and its album are, as `loudness_read`, by two queries for all of them."""
    albums = {song.album_id for song in songs if song.album_id is not None}
    own: dict[int, _Level] = {}
    of_album: dict[int | None, list[_Level]] = defaultdict(list)
    if albums:
        # By the order of the key, all songs would be read in search of these.
        in_albums = Song.objects.filter(album__in=albums).order_by("album_id")
        for pk, album, level in _levels(in_albums, _ALBUM_SONGS * len(albums)):
            own[pk] = level
            of_album[album].append(level)
    if rest := [song.pk for song in songs if song.pk not in own]:
        own |= {pk: level for pk, _, level in _levels(Song.objects.filter(pk__in=rest).order_by())}
    known = {album: (_album(some), all(level.is_measured for level in some)) for album, some in of_album.items()}
    found = {}
    for song in songs:
        level = own.get(song.pk) or _level(song.duration_s, None, None, song.track_gain_db, song.track_peak)
        # A song without an album is its own.
        (lufs, peak_db), is_measured = known.get(song.album_id) or (_album([level]), level.is_measured)
        if song.album_gain_db is not None and not is_measured:
            lufs = REPLAY_GAIN_LUFS - song.album_gain_db
            peak_db = _decibels(song.album_peak) if song.album_peak else peak_db
        found[song.pk] = Loudness(level.lufs, level.peak_db, lufs, peak_db)
    return found


def _levels(songs: QuerySet[Song], most: int | None = None) -> list[tuple[int, int | None, _Level]]:
    rows = songs.values_list("pk", "album_id", "duration_s", *_COLUMNS)
    return [(pk, album, _level(duration_s, *values)) for pk, album, duration_s, *values in rows[:most]]


def _level(
    duration_s: float, lufs: float | None, peak_db: float | None, gain_db: float | None, peak: float | None
) -> _Level:
    if lufs is not None:
        return _Level(duration_s, lufs, peak_db, is_measured=True)
    tagged_lufs = None if gain_db is None else REPLAY_GAIN_LUFS - gain_db
    return _Level(duration_s, tagged_lufs, _decibels(peak) if peak else None, is_measured=False)


def _album(levels: list[_Level]) -> tuple[float | None, float | None]:
    known = [(level.duration_s, level.lufs) for level in levels if level.lufs is not None and level.duration_s > 0]
    peaks_db = [level.peak_db for level in levels if level.peak_db is not None]
    if not known:
        return None, None
    power = sum(seconds * 10 ** (lufs / 10) for seconds, lufs in known) / sum(seconds for seconds, _ in known)
    return 10 * math.log10(power), max(peaks_db, default=None)


def _decibels(peak: float) -> float:
    return 20 * math.log10(peak)
