"""`manage.py playlists_check`: whether lists and journeys keep what they promise with the songs that are here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError

from emotion.inference.quadrants import Quadrant
from recommender.generate import generate
from recommender.models import DEFAULT_VARIETY
from recommender.ranking.journeys import SMALL_STEP, path_quality
from recommender.requests import DEFAULT_LENGTH, Listener, PlaylistRequest, Target, journey_request
from recommender.retrieval import estimates_playable, recordings_of, retrieve, songs_index

N_SEEDS = 12
JOURNEY_LENGTH = 10
# A list that may vary has at least this share of the songs of its quadrant that it could have.
LEAST_SHARE = 0.95
# So many songs of a quadrant are enough for so many openers.
ENOUGH_OPENERS = 4
# More songs of a quadrant than any list needs are not counted.
_COUNTED = 200
# Nobody with a history: a session key that no browser has.
_NOBODY = Listener(user=None, session_key="playlists_check")


@dataclass(frozen=True, slots=True)
class ListResult:
    """The lists for a quadrant, one for each seed.

    `n_inside` and `n_possible` are songs of the quadrant in all lists, found and possible; `n_openers` different first
    songs, of `n_songs` in the quadrant; `n_twice` recordings that come twice in a list; `note` is that of the first.
    """

    quadrant: Quadrant
    variety: float
    n_songs: int
    n_inside: int
    n_possible: int
    n_openers: int
    n_twice: int
    note: str

    @property
    def is_kept(self) -> bool:
        """Whether the lists hold what they promise."""
        enough = self.n_inside >= (LEAST_SHARE if self.variety else 1.0) * self.n_possible
        varied = not self.variety or self.n_songs < ENOUGH_OPENERS or self.n_openers >= ENOUGH_OPENERS
        return enough and varied and not self.n_twice

    def __str__(self) -> str:
        share = f"{self.n_inside} of {self.n_possible} possible songs"
        openers = f"{self.n_openers} openers of {self.n_songs}"
        return f"{self.quadrant.label:6} variety {self.variety}: {share}, {openers}, {self.n_twice} twice. {self.note}"


@dataclass(frozen=True, slots=True)
class JourneyResult:
    """A journey from quadrant to quadrant: where it ends, its largest step, and the share of steps not back."""

    start: Quadrant
    end: Quadrant
    variety: float
    arrived: Quadrant
    largest_step: float
    monotone_share: float
    note: str

    @property
    def is_kept(self) -> bool:
        """Whether it ends where it was to end, in small steps and without turning back, or says why not."""
        is_small = self.largest_step <= SMALL_STEP and self.monotone_share == 1.0
        return (self.arrived is self.end and is_small) or bool(self.note)

    def __str__(self) -> str:
        steps = f"largest step {self.largest_step:.2f}, {self.monotone_share:.0%} not back"
        way = f"{self.start.label} to {self.end.label}, variety {self.variety}"
        return f"{way}: ends {self.arrived.label}, {steps}. {self.note}"


def lists(variety: float) -> Iterator[ListResult]:
    """Make lists for every quadrant, with one seed after the other."""
    for quadrant in Quadrant:
        known = estimates_playable().with_effective().filter(effective_quadrant=quadrant)
        n_songs = len(set(_recordings(list(known.values_list("song_id", flat=True)[:_COUNTED]))))
        request = PlaylistRequest(Target.of_quadrant(quadrant), variety=variety)
        made = [generate(listener=_NOBODY, request=replace(request, seed=seed)) for seed in range(N_SEEDS)]
        chosen = [[entry.song_id for entry in each.entries] for each in made]
        yield ListResult(
            quadrant,
            variety,
            n_songs,
            n_inside=sum(
                Quadrant.from_valence_arousal(*entry.perceived) is quadrant for each in made for entry in each.entries
            ),
            n_possible=N_SEEDS * min(n_songs, DEFAULT_LENGTH),
            n_openers=len({songs[0] for songs in chosen if songs}),
            n_twice=sum(len(songs) - len(set(_recordings(songs))) for songs in chosen),
            note=made[0].note,
        )


def journeys(variety: float) -> Iterator[JourneyResult]:
    """Make a journey from every quadrant to every other."""
    for start, end in permutations(Quadrant, 2):
        path = (start.target, end.target)
        made = generate(listener=_NOBODY, request=journey_request(path, length=JOURNEY_LENGTH, variety=variety, seed=1))
        points = np.asarray([entry.felt for entry in made.entries])
        quality = path_quality(points, [entry.target for entry in made.entries])
        arrived = Quadrant.from_valence_arousal(*points[-1].tolist())
        yield JourneyResult(start, end, variety, arrived, quality.largest_step, quality.monotone_share, made.note)


def _recordings(song_ids: list[int]) -> list[int]:
    return [int(each) for each in recordings_of(retrieve(songs_index(), (), always=song_ids))]


class Command(BaseCommand):
    help = (
        "Make a list for every quadrant with 12 seeds and the journeys between all quadrants, at variety 0 and at the "
        "usual one, and print what is in them; fail when one breaks its promise."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not estimates_playable().exists():
            raise CommandError("No songs have been analysed yet.")
        results: list[ListResult | JourneyResult] = []
        for variety in (0.0, DEFAULT_VARIETY):
            results += [*lists(variety), *journeys(variety)]
        for result in results:
            self.stdout.write(f"{'' if result.is_kept else 'BROKEN: '}{result}")
        n_broken = sum(not result.is_kept for result in results)
        if n_broken:
            raise CommandError(f"{n_broken} of {len(results)} promises are broken.")
