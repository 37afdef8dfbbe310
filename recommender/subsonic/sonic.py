"""What sounds alike: songs around one by its sound and by what the listener likes, and a way from one to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalog.models import Song
from emotion.models import EmotionEstimate
from recommender.browse.selectors import artist_songs, songs_top
from recommender.generate import generate
from recommender.requests import MAX_LENGTH, PlaylistRequest, Target, journey_request, new_seed
from recommender.retrieval import retrieve, songs_index, songs_ranked_alike
from recommender.subsonic.browsing import artist_behind
from recommender.subsonic.calls import Call, not_found
from recommender.subsonic.numbers import SONG, key_of, read, written
from recommender.subsonic.shown import songs_shown

_DEFAULT_ALIKE, _DEFAULT_SONIC, _DEFAULT_PATH = 50, 10, 25
_MOST_SONIC = 500


def get_similar_songs(call: Call) -> dict[str, Any]:
    """Return songs like one, or like those of an album or artist, chosen for the listener."""
    return {"similarSongs": {"song": _similar(call)}}


def get_similar_songs2(call: Call) -> dict[str, Any]:
    """Return the same for those who browse by tags."""
    return {"similarSongs2": {"song": _similar(call)}}


def _similar(call: Call) -> list[dict[str, Any]]:
    kind, pk = read(call.required("id"))
    if kind == SONG:
        if not Song.objects.filter(pk=pk).exists():
            raise not_found()
        centre: int | None = pk
    else:
        # What an artist stands for is what the listener plays most of theirs.
        centre = next(iter(songs_top(artist_songs(artist_behind(kind, pk)), call.listener, 1)), None)
    point = _points([centre] if centre else []).get(centre or 0)
    count = call.number("count", _DEFAULT_ALIKE, most=MAX_LENGTH)
    if point is None or not count:
        return []
    request = PlaylistRequest(Target(*point), around=centre, length=count, seed=new_seed())
    made = generate(listener=call.listener, request=request)
    reasons = {entry.song_id: entry.reason for entry in made.entries}
    return songs_shown(call.user, list(reasons), reasons)


def get_sonic_similar_tracks(call: Call) -> dict[str, Any]:
    """Return the songs that sound most like one, by the model's embedding alone."""
    key = _song_key(call, "id")
    count = call.number("count", _DEFAULT_SONIC, most=_MOST_SONIC)
    ranked = songs_ranked_alike(key, count) if count else []
    playable = set(Song.objects.filter(pk__in=ranked).exclude(state=Song.State.FAILED).values_list("pk", flat=True))
    return {"sonicMatch": _matches(call, key, [each for each in ranked if each in playable][:count])}


def find_sonic_path(call: Call) -> dict[str, Any]:
    """Return a journey from one song to another in small steps; the first and the last are the two songs."""
    start, end = _song_key(call, "startSongId"), _song_key(call, "endSongId")
    count = call.number("count", _DEFAULT_PATH, least=2, most=MAX_LENGTH)
    if start == end:
        return {"sonicMatch": _matches(call, start, [start])}
    points = _points([start, end])
    between: list[int] = []
    if len(points) == 2 and count > 2:
        request = journey_request((points[start], points[end]), length=count - 1, seed=0, variety=0.0)
        made = generate(listener=call.listener, request=request, fixed={1: start}, without=[end])
        between = [entry.song_id for entry in made.entries]
    return {"sonicMatch": _matches(call, start, [start, *between, end])}


def _song_key(call: Call, name: str) -> int:
    key = key_of(call.required(name), SONG)
    if not Song.objects.filter(pk=key).exists():
        raise not_found()
    return key


def _points(song_ids: Sequence[int]) -> dict[int, tuple[float, float]]:
    current = EmotionEstimate.objects.filter(is_current=True, song__in=song_ids).with_effective()
    rows = current.values_list("song_id", "effective_valence", "effective_arousal")
    return {song_id: (valence, arousal) for song_id, valence, arousal in rows}


def _matches(call: Call, to: int, song_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Describe songs with how alike each is to one: the cosine of their embeddings, 0 where nothing can be compared."""
    pool = retrieve(songs_index(), (), always=[to, *song_ids])
    row = pool.row_of(to)
    cosines = pool.embeddings @ pool.embeddings[row] if row is not None else pool.confidence * 0.0
    alike = {written(SONG, key): float(cosine) for key, cosine in zip(pool.song_ids.tolist(), cosines, strict=True)}
    alike[written(SONG, to)] = 1.0
    return [
        {"entry": shown, "similarity": round(min(max(alike.get(shown["id"], 0.0), -1.0), 1.0), 4)}
        for shown in songs_shown(call.user, song_ids)
    ]
