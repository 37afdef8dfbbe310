"""How well emotion curves follow those that people drew while they listened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from emotion.curves.curve import HOP_S, times_s
from emotion.curves.tracing import trace
from emotion.exceptions import AudioUnreadableError
from emotion.inference.predict import Predictor
from training.datasets import Clip, Curve
from training.evaluation.metrics import score_axis
from training.evaluation.report.tables import Table, figure

# Fewer of a song's points say nothing of how it changes.
_MIN_POINTS = 5


@dataclass(frozen=True, slots=True)
class Followed:
    """The drawn and the estimated valence and arousal of one clip, at the middle of the estimates' windows."""

    dataset: str
    artist: str
    drawn: NDArray[np.float64]  # `(n, 2)` in [-1, 1].
    estimated: NDArray[np.float64]  # `(n, 2)` in (-1, 1).


def follow(
    predictor: Predictor, clips: Sequence[Clip], curves: Mapping[str, Sequence[Curve]], *, log: Callable[[str], object]
) -> list[Followed]:
    """Trace clips as serving does and read off their drawn curves, averaged over listeners, at the same times.

    Points outside the drawn curve and silent ones do not count. A clip shorter than the model's window has one point,
    at the middle of what was drawn. Clips without a point, and after a log line unreadable ones, are left out.
    """
    followed = []
    for clip in tqdm(clips, desc="curves", mininterval=5):
        try:
            batches = list(trace(clip.audio, predictor, hop_s=HOP_S))
        except AudioUnreadableError as error:
            log(f"{clip.id}: {error}")
            continue
        estimated = np.concatenate([batch.points[:, :2] for batch in batches]).astype(np.float64)
        at_s = times_s(len(estimated), hop_s=HOP_S, window_s=batches[0].window_s)
        drawn = [_drawn(curve, at_s) for curve in curves[clip.id]]
        if len(estimated) == 1:
            drawn = [np.array([[curve.valence.mean(), curve.arousal.mean()]]) for curve in curves[clip.id]]
        # A listener's curve may end before the others.
        known = np.isfinite(estimated[:, 0]) & np.isfinite(drawn).all(axis=(0, 2))
        if known.any():
            mean = np.mean(drawn, axis=0)
            followed.append(Followed(clip.dataset, clip.artist, mean[known], estimated[known]))
    return followed


def _drawn(curve: Curve, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    axes = (curve.valence, curve.arousal)
    return np.column_stack([np.interp(at_s, curve.times_s, axis, left=np.nan, right=np.nan) for axis in axes])


def curve_table(followed: Iterable[Followed]) -> Table:
    """Return correlations by dataset: over all points, and of the changes within clips of at least five points."""
    rows: list[tuple[str | int | None, ...]] = []
    by_dataset: dict[str, list[Followed]] = {}
    for each in followed:
        by_dataset.setdefault(each.dataset, []).append(each)
    for name, clips in by_dataset.items():
        changing = [each for each in clips if len(each.drawn) >= _MIN_POINTS]
        moved = [
            replace(each, drawn=each.drawn - each.drawn.mean(0), estimated=each.estimated - each.estimated.mean(0))
            for each in changing
        ]
        points = sum(len(each.drawn) for each in clips)
        rows.append((name, len(clips), points, *_correlations(clips), len(changing), *_correlations(moved)))
    note = (
        f"Curves as served, a point every {HOP_S:g} s, against those that people drew, averaged over listeners, on "
        "clips that the heads did not learn from. Pearson's correlation over all points, which says mostly how songs "
        f"differ, and of each clip's deviations from its own mean, for clips of at least {_MIN_POINTS} points. "
        "Intervals over artists."
    )
    columns: tuple[str, ...] = ("clips", "n", "points", "valence (95 %)", "arousal (95 %)")
    columns += ("clips that change", "valence within (95 %)", "arousal within (95 %)")
    return Table("The curve against drawn curves", note, columns, tuple(rows))


def _correlations(clips: Sequence[Followed]) -> list[str | None]:
    if sum(len(each.drawn) for each in clips) < _MIN_POINTS:
        return [None, None]
    drawn, estimated = (np.concatenate([getattr(each, name) for each in clips]) for name in ("drawn", "estimated"))
    artists = np.concatenate([np.full(len(each.drawn), each.artist) for each in clips])
    scores = [score_axis(drawn[:, axis], estimated[:, axis], artists) for axis in range(2)]
    return [figure(score.r, score.r_interval) for score in scores]
