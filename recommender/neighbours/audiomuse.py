"""The two endpoints by which clients of AudioMuse find similar songs and a way between two, under a switch.

Source: https://github.com/NeptuneHub/AudioMuse-AI, `/api/similar_tracks` and `/api/find_path`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
from typing import Any

import numpy as np
from django.conf import settings
from django.http import Http404, HttpRequest, JsonResponse
from drf_spectacular.utils import extend_schema
from numpy.typing import NDArray
from rest_framework.decorators import api_view
from rest_framework.request import Request

from catalog.models import Song
from emotion.models import EmotionEstimate
from recommender.generate import generate
from recommender.requests import MAX_LENGTH, journey_request, listener_of, new_seed
from recommender.retrieval import embedding_matrix, songs_index, songs_ranked_alike

_DEFAULT_SIMILAR, _DEFAULT_STEPS = 10, 25
_MOST_SIMILAR = 200
# A number as it stands here, or as players of the OpenSubsonic interface know it.
_NUMBER = re.compile(r"(?:tr-)?([0-9]{1,18})", re.ASCII)

View = Callable[[Request], JsonResponse]


def _switched(view: View) -> Any:
    @wraps(view)
    def switched(request: Request) -> JsonResponse:
        if not settings.MOODPLANE_AUDIOMUSE:
            raise Http404
        try:
            return view(request)
        except _RefusedError as error:
            return JsonResponse({"error": str(error)}, status=error.status)

    return extend_schema(exclude=True)(api_view(["GET"])(switched))


class _RefusedError(Exception):
    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


@_switched
def similar_tracks(request: Request) -> JsonResponse:
    """Return the songs that sound most like one, by the model's embedding, the nearest first."""
    asked = _asked(request, "item_id")
    n_songs = _number(request, "n", _DEFAULT_SIMILAR, _MOST_SIMILAR)
    ranked = [pk for pk in songs_ranked_alike(asked.song_id, n_songs) if pk != asked.song_id]
    estimates = _estimates(ranked)
    vectors = _vectors([asked, *estimates])
    away = _away(vectors[0], vectors[1:])
    rows = [{**_track(each), "distance": round(float(d), 6)} for each, d in zip(estimates, away, strict=True)]
    return JsonResponse(sorted(rows, key=lambda row: row["distance"])[:n_songs], safe=False)


@_switched
def find_path(request: Request) -> JsonResponse:
    """Return a way from one song to another in small steps; the first and the last are the two."""
    start, end = _asked(request, "start_song_id"), _asked(request, "end_song_id")
    n_steps = max(2, _number(request, "max_steps", _DEFAULT_STEPS, MAX_LENGTH))
    points = [(float(each.effective_valence), float(each.effective_arousal)) for each in (start, end)]
    own = {start.song_id, end.song_id}
    between: list[int] = []
    if n_steps > 2:
        wanted = journey_request(points, length=n_steps, seed=new_seed())
        made = generate(listener=listener_of(request), request=wanted)
        between = [entry.song_id for entry in made.entries if entry.song_id not in own][: n_steps - 2]
    estimates = [start, *_estimates(between), end]
    vectors = _vectors(estimates)
    total = sum(float(_away(one, other[None])[0]) for one, other in pairwise(vectors))
    return JsonResponse({"path": [_track(each) for each in estimates], "total_distance": round(total, 6)})


def _asked(request: HttpRequest | Request, name: str) -> EmotionEstimate:
    text = request.GET.get(name, "")
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise _RefusedError(f"{name} is missing, or no number of a song.", 400)
    found = _estimates([int(match.group(1))])
    if not found:
        raise _RefusedError(f"There is no analysed song {text}.", 404)
    return found[0]


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.GET.get(name, "")
    return min(max(int(text), 1), most) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _estimates(song_ids: Sequence[int]) -> list[EmotionEstimate]:
    rows = EmotionEstimate.objects.filter(song__in=song_ids, is_current=True).exclude(song__state=Song.State.FAILED)
    found = {each.song_id: each for each in rows.with_effective().select_related("song__artist", "song__album")}
    return [found[pk] for pk in song_ids if pk in found]


def _vectors(estimates: Sequence[EmotionEstimate]) -> NDArray[np.float64]:
    return np.asarray(embedding_matrix(estimates, songs_index()), np.float64)


def _away(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine distance of each of the unit vectors to one."""
    return np.clip(1.0 - others @ one, 0.0, 2.0)


def _track(estimate: EmotionEstimate) -> dict[str, Any]:
    song = estimate.song
    album = song.album.title if song.album else ""
    return {"item_id": f"tr-{song.pk}", "title": song.title, "author": song.by, "album": album}
