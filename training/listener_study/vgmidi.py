"""VGMIDI: how each of about thirty listeners heard a piano piece, and whether they knew it. Pure.

Citation and licence: `training.datasets.vgmidi`. Listeners drew valence and arousal as the piece played; the mean over
the curve is the answer. Their answers to the practice questions describe the music ("a jolly tune", "a tense tune"), so
what is called felt here is one listener's own perceiving and no feeling; it shows how people differ about a piece, and
what knowing it does. Perceived is the shipped model's, of the rendered piece; that model learned from none of them.

The files do not say who drew. A listener is one profile with one wording of the answers to two practice questions,
which people write each their own way; who left them empty is left out. A third drew two pieces and next to nobody
more, so a listener can be held out with one piece in the support and no other way.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.learning import learn
from recommender.felt_model.model import ListenerModel, Prior
from recommender.felt_model.ratings import FAMILIAR, Ratings
from training.datasets import vgmidi
from training.datasets.base import DatasetError, required
from training.listener_study.cohort import Cohort, principal_directions
from training.listener_study.heard import Heard, hear
from training.listener_study.protocol import interval

N_DIRECTIONS = 4
N_FOLDS = 4
# Who drew one piece cannot be held out, and does not show how a listener differs from the others.
MIN_PIECES = 2
_PARTS = ("vgmidi_raw_1.json.gz", "vgmidi_raw_2.json.gz")
_PROFILE = ("age", "country", "gender", "musicianship", "ex1_arousal", "ex1_valence", "ex2_valence")
_WORDING = ("ex1_description", "ex2_arousal")


@dataclass(frozen=True, slots=True)
class Answer:
    """One listener's curve of one piece: `point` is its mean (valence, arousal); `known` whether they knew it."""

    piece: str
    point: tuple[float, float]
    known: bool | None


def load(folder: Path, work_dir: Path, weights: Path, cache: Path | None = None) -> Cohort:
    """Read the listeners of a folder in the layout of VGMIDI.

    Args:
        folder: Holds the curves and the pieces.
        work_dir: Has the rendered pieces in `vgmidi`, or gets them.
        weights: The model that hears them.
        cache: Folder that keeps what it heard.

    Raises:
        DatasetError: a file is missing or is not what it should be.
    """
    clips = vgmidi.read(folder, work_dir).clips
    if not all(clip.audio.exists() for clip in clips):
        vgmidi.render(folder, work_dir)
    heard = hear(clips, weights, cache)
    places = {clip.audio.stem: place for place, clip in enumerate(clips)}
    listeners = {
        who: [answer for answer in answers if answer.piece in places] for who, answers in _answers(folder).items()
    }
    return Cohort(
        name="VGMIDI",
        listeners={
            who: _ratings(answers, places, heard) for who, answers in listeners.items() if len(answers) >= MIN_PIECES
        },
        basis=principal_directions(heard.embeddings, N_DIRECTIONS),
    )


def _answers(folder: Path) -> dict[str, list[Answer]]:
    """Return what each listener drew; where a listener drew a piece twice, the first time."""
    found: dict[str, dict[str, Answer]] = defaultdict(dict)
    for name in _PARTS:
        path = required(folder / name)
        try:
            raw = json.loads(gzip.decompress(path.read_bytes()))
            for key, said in raw["annotations"].items():
                who = _who(said)
                piece = Path(raw["pieces"][key.rpartition("_")[0]]["midi"]).stem
                if who:
                    found[f"{name} {who}"].setdefault(piece, _answer(piece, said))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path} is not the file of VGMIDI ({error!r}); fetch it again.") from error
    return {who: list(by_piece.values()) for who, by_piece in sorted(found.items())}


def _who(said: dict[str, Any]) -> str:
    """Return what tells a listener from the others, nothing for one who left the practice questions empty."""
    if not all(said.get(name) for name in _WORDING):
        return ""
    return "|".join(str(said.get(name)) for name in (*_PROFILE, *_WORDING))


def _answer(piece: str, said: dict[str, Any]) -> Answer:
    point = np.mean(said["valence"]), np.mean(said["arousal"])
    if not np.isfinite(point).all() or np.abs(point).max() > 1.0:
        raise ValueError(f"a curve of {piece} is empty or leaves -1 to 1")
    return Answer(piece, (float(point[0]), float(point[1])), said.get("isKnown"))


def _ratings(answers: list[Answer], places: dict[str, int], heard: Heard) -> Ratings:
    songs = np.array([places[answer.piece] for answer in answers], np.int64)
    ones = np.ones(len(answers))
    return Ratings(
        song_ids=songs,
        perceived=heard.perceived[songs],
        felt=np.array([answer.point for answer in answers]),
        embeddings=heard.embeddings[songs],
        weights=ones,
        likes=np.full(len(answers), np.nan),
        like_weights=ones,
        moods=np.full((len(answers), 2), np.nan),
        familiar=np.array([0.0 if answer.known is None else 2.0 * answer.known - 1.0 for answer in answers]),
    )


Interval = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """The other piece of those who drew two or more, by the mean absolute error of both axes.

    Each is a mean with its interval over listeners: `constant`, the mean of the other listeners; `shared`, the model
    of everybody; `own`, after the first piece; `change`, own less shared. `improved` is the share of listeners that
    one answer helped. `prior` is learned from all listeners.
    """

    n_listeners: int
    constant: Interval
    shared: Interval
    own: Interval
    change: Interval
    improved: float
    prior: Prior

    def as_json(self) -> dict[str, Any]:
        """Return all figures as plain values."""
        figures = {name: getattr(self, name) for name in self.__slots__}
        return figures | {"prior": self.prior.as_json()}


def second_pieces(cohort: Cohort, start: Prior | None = None, seed: int = 0) -> PairOutcome:
    """Predict each further piece of a held-out listener from none and from the first.

    Args:
        cohort: of `load`.
        start: where learning the prior begins; None for a new installation's.
        seed: decides the folds of listeners.
    """
    names = sorted(cohort.listeners)
    fold_of = np.random.default_rng(seed).permutation(len(names)) % N_FOLDS
    start = start or Prior.default()
    errors = []
    for fold in range(N_FOLDS):
        others = [cohort.listeners[who] for who, its in zip(names, fold_of, strict=True) if its != fold]
        held = [cohort.listeners[who] for who, its in zip(names, fold_of, strict=True) if its == fold]
        prior = learn(others, cohort.basis, start)
        centre = np.concatenate([each.felt for each in others]).mean(axis=0)
        errors += [_errors(each, prior, cohort.basis, centre) for each in held]
    constant, shared, own = np.array(errors).T
    return PairOutcome(
        n_listeners=len(errors),
        constant=interval(constant),
        shared=interval(shared),
        own=interval(own),
        change=interval(own - shared),
        improved=float((own < shared).mean()),
        prior=learn(list(cohort.listeners.values()), cohort.basis, start),
    )


def _errors(
    said: Ratings, prior: Prior, basis: NDArray[np.float64], centre: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return the errors of the constant, of everybody's model and of the listener's own after one answer."""
    asked = said.rows(np.arange(1, len(said.song_ids)))
    models = [ListenerModel.fit(said.rows(np.arange(heard)), prior, basis) for heard in (0, 1)]
    points = [
        model.predict(asked.song_ids, asked.perceived, asked.embeddings, None, asked.familiar).point for model in models
    ]
    shared, own = (float(np.abs(point - asked.felt).mean()) for point in points)
    return float(np.abs(centre - asked.felt).mean()), shared, own


def pair_table(outcome: PairOutcome) -> str:
    """Return the outcome in Markdown."""
    rows = {
        "mean of the others": outcome.constant,
        "model of everybody": outcome.shared,
        "ours, after one piece": outcome.own,
        "change by that piece": outcome.change,
    }
    lines = [f"Further pieces of {outcome.n_listeners} listeners:", "", "| | mean absolute error |", "|---|---|"]
    lines += [f"| {name} | {mean:.3f} ({low:.3f} to {high:.3f}) |" for name, (mean, low, high) in rows.items()]
    known = outcome.prior.mean[:, FAMILIAR]
    lines += [
        "",
        f"Helped: {outcome.improved:.0%} of listeners. A piece that is known is put {2 * known[0]:+.3f} in valence and "
        f"{2 * known[1]:+.3f} in arousal from one that is not.",
    ]
    return "\n".join(lines)
