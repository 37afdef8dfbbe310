"""VGMIDI: how each of about thirty listeners perceived a piano piece, and whether they knew it.

Citation and licence: `training.datasets.vgmidi`. Listeners drew valence and arousal as the piece played; the answer is
the mean over the curve. Their answers to the practice questions describe the music ("a jolly tune", "a tense tune"), so
"felt" here is one listener's perception and no feeling; it shows how people differ about a piece, and the effect of
knowing it. Perceived is the shipped model's, of the rendered piece; that model learned from none of them.

The files do not name the listeners. A listener is one profile with one wording of the answers to two practice
questions, which people write each their own way; those who left them empty are left out. A third drew two pieces and
hardly anyone more, so a listener can be held out with one piece in the support and no other way.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.learning import learn
from recommender.felt_model.model import FAMILIAR, ListenerModel, Prior, Ratings
from training.datasets import vgmidi
from training.datasets.base import DatasetError, required
from training.evaluation.report.tables import Table
from training.listener_study.protocol import (
    Cohort,
    estimate_clips,
    interval,
    interval_text,
    principal_directions,
)

N_DIRECTIONS = 4
N_FOLDS = 4
# Listeners of one piece cannot be held out, and do not show how a listener differs from the others.
MIN_PIECES = 2
_PARTS = ("vgmidi_raw_1.json.gz", "vgmidi_raw_2.json.gz")
_PROFILE = ("age", "country", "gender", "musicianship", "ex1_arousal", "ex1_valence", "ex2_valence")
_WORDING = ("ex1_description", "ex2_arousal")


@dataclass(frozen=True, slots=True)
class PieceAnswer:
    """One listener's curve of one piece: `point` is its mean (valence, arousal); `known` whether they knew it."""

    piece: str
    point: tuple[float, float]
    known: bool | None


def load(folder: Path, weights: Path, work_dir: Path) -> Cohort:
    """Read the listeners of a folder in the layout of VGMIDI; `work_dir` caches rendered pieces and estimates.

    Raises:
        DatasetError: A file is missing or is not what it should be.
    """
    clips = vgmidi.read(folder, work_dir).clips
    if not all(clip.audio.exists() for clip in clips):
        vgmidi.render(folder, work_dir)
    estimates = estimate_clips(clips, weights, work_dir)
    places = {clip.audio.stem: place for place, clip in enumerate(clips)}
    listeners = {}
    for name, drawn in _answers(folder).items():
        answers = [answer for answer in drawn if answer.piece in places]
        if len(answers) >= MIN_PIECES:
            songs = np.array([places[answer.piece] for answer in answers], np.int64)
            familiar = np.array([0.0 if answer.known is None else 2.0 * answer.known - 1.0 for answer in answers])
            listeners[name] = estimates.ratings(
                songs, np.array([answer.point for answer in answers]), familiar=familiar
            )
    basis = principal_directions(estimates.embeddings, N_DIRECTIONS)
    return Cohort("VGMIDI", listeners, basis, estimates.recordings)


def _answers(folder: Path) -> dict[str, list[PieceAnswer]]:
    """Return each listener's answers; where a listener drew a piece twice, the first."""
    by_listener: dict[str, dict[str, PieceAnswer]] = defaultdict(dict)
    for name in _PARTS:
        path = required(folder / name)
        try:
            raw = json.loads(gzip.decompress(path.read_bytes()))
            for key, annotation in raw["annotations"].items():
                piece = Path(raw["pieces"][key.rpartition("_")[0]]["midi"]).stem
                # Without the wording, a listener cannot be distinguished from the others.
                if all(annotation.get(question) for question in _WORDING):
                    listener = "|".join(str(annotation.get(question)) for question in (*_PROFILE, *_WORDING))
                    by_listener[f"{name} {listener}"].setdefault(piece, _answer(piece, annotation))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path} is not the file of VGMIDI ({error!r}); fetch it again.") from error
    return {listener: list(by_piece.values()) for listener, by_piece in sorted(by_listener.items())}


def _answer(piece: str, annotation: dict[str, Any]) -> PieceAnswer:
    point = np.mean(annotation["valence"]), np.mean(annotation["arousal"])
    if not np.isfinite(point).all() or np.abs(point).max() > 1.0:
        raise ValueError(f"a curve of {piece} is empty or leaves -1 to 1")
    return PieceAnswer(piece, (float(point[0]), float(point[1])), annotation.get("isKnown"))


def second_pieces(cohort: Cohort, seed: int = 0) -> dict[str, Any]:
    """Predict each further piece of a held-out listener from none and from the first; `seed` decides the folds.

    Returns:
        Mean absolute errors of both axes, each with its interval over listeners: "constant", the mean of the other
        listeners; "shared", the model without ratings; "own", after the first piece; "change", own less shared.
        "improved" is the share of listeners that one answer helped, "prior" learned from all listeners.
    """
    names = sorted(cohort.listeners)
    fold_of = np.random.default_rng(seed).permutation(len(names)) % N_FOLDS
    errors = []
    for fold in range(N_FOLDS):
        others = [cohort.listeners[name] for name, its in zip(names, fold_of, strict=True) if its != fold]
        held_out = [cohort.listeners[name] for name, its in zip(names, fold_of, strict=True) if its == fold]
        prior = learn(others, cohort.basis, Prior.default())
        centre = np.concatenate([each.felt for each in others]).mean(axis=0)
        errors += [error for each in held_out if (error := _errors(each, prior, cohort, centre))]
    constant, shared, own = np.array(errors).T
    return {
        "n_listeners": len(errors),
        "constant": interval(constant),
        "shared": interval(shared),
        "own": interval(own),
        "change": interval(own - shared),
        "improved": float((own < shared).mean()),
        "prior": learn(list(cohort.listeners.values()), cohort.basis, Prior.default()).as_json(),
    }


def _errors(ratings: Ratings, prior: Prior, cohort: Cohort, centre: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the errors of the constant, and of the model without ratings and after one; nothing without a test."""
    recordings = cohort.recordings[ratings.song_ids]
    tested = ratings.rows(recordings != recordings[0])
    if not len(tested.song_ids):
        return ()
    models = [ListenerModel.fit(ratings.rows(np.arange(n)), prior, cohort.basis) for n in (0, 1)]
    songs = tested.song_ids, tested.perceived, tested.embeddings, None, tested.familiar
    points = [centre, *(model.predict(*songs).point for model in models)]
    return tuple(float(np.abs(point - tested.felt).mean()) for point in points)


def pair_table(outcome: Mapping[str, Any]) -> str:
    """Return the outcome of `second_pieces` in Markdown."""
    names = ("mean of the others", "model of everybody", "ours, after one piece", "change by that piece")
    keys = ("constant", "shared", "own", "change")
    rows = tuple((name, interval_text(outcome[key])) for name, key in zip(names, keys, strict=True))
    known = Prior.from_json(outcome["prior"]).mean[:, FAMILIAR]
    return (
        f"Further pieces of {outcome['n_listeners']} listeners:\n\n"
        f"{Table('', '', ('', 'mean absolute error'), rows).to_markdown()}\n\n"
        f"Helped: {outcome['improved']:.0%} of listeners. A piece that is known is put {2 * known[0]:+.3f} in valence "
        f"and {2 * known[1]:+.3f} in arousal from one that is not."
    )
