"""How well the emotion curve follows what listeners drew, song by song; and which window and smoothing follow best.

Run: python bench/curve_accuracy.py [--data DIR] [--work DIR] [--windows 24,12]. On the pieces of VGMIDI, 28 to 32
listeners each (docs/datasets.md; the shipped model learned from none of them), and the choruses of PMEmo that are at
hand; of Emotion in Music and DEAM only cuts of 10 s are, shorter than a window. The pieces are divided by their
series: window, smoothing and the scale of the changes are chosen on one half, and the figures are those of the other.
For each song: the concordance correlation (CCC) and Pearson's r with the mean curve of the listeners, and the squared
error against that of the song's own mean and of one constant for all songs. A constant has a CCC of 0. Intervals are
from a bootstrap over series. Traces are kept in the work folder, so that a run that was ended goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from catalog.core.files import digest
from emotion.curves.curve import HOP_S
from emotion.inference.checkpoint import SHIPPED_DIR
from emotion.inference.predict import BATCH_SIZE, Predictor
from emotion.signal.audio import SAMPLE_RATE_HZ, is_silent, stream_windows
from training.datasets import Clip, Curve, pmemo, vgmidi

MODEL = "hybrid-b3"
# Points that are averaged, in s: as served, and wider.
SMOOTHINGS_S = (0.0, 12.0, 20.0, 28.0, 44.0)
SCALES = (0.25, 0.5, 0.75, 1.0, 1.5)
LEAST_POINTS = 5
AXES = ("valence", "arousal")


@dataclass(frozen=True, slots=True)
class Traced:
    """A song: its series or artist, and times `(n,)`, estimated and drawn points `(n, 2)`."""

    source: str
    group: str
    at_s: NDArray[np.float64]
    estimated: NDArray[np.float64]
    drawn: NDArray[np.float64]
    agreement: NDArray[np.float64]  # Of one listener with the others, mean r by axis.


def trace(path: Path, predictor: Predictor, window_s: float) -> NDArray[np.float64]:
    """Return times and points `(n, 3)` of a song; a window shorter than the model's is repeated until it is full."""
    frontend, points = predictor.card.frontend, []
    full = round(frontend.window_s * SAMPLE_RATE_HZ)
    windows = list(stream_windows(path, hop_s=HOP_S, window_s=window_s))
    for start in range(0, len(windows), BATCH_SIZE):
        batch = windows[start : start + BATCH_SIZE]
        judged = predictor.judge(np.stack([frontend.prepare(np.resize(each.waveform, full)) for each in batch]))
        for i, each in enumerate(batch):
            silent = is_silent(each.waveform)
            middle = each.start_s + each.duration_s / 2
            points.append((middle, np.nan if silent else judged.valence[i], np.nan if silent else judged.arousal[i]))
    return np.array(points, np.float64)


def read(clip: Clip, curves: Sequence[Curve], traced: NDArray[np.float64]) -> Traced | None:
    """Return a song with what was drawn at the times of its points; None with fewer than `LEAST_POINTS`."""
    at_s = traced[:, 0]
    drawn = np.array(
        [
            [np.interp(at_s, c.times_s, axis, left=np.nan, right=np.nan) for axis in (c.valence, c.arousal)]
            for c in curves
        ]
    )
    known = np.isfinite(traced[:, 1]) & np.isfinite(drawn).all(axis=(0, 1))
    if known.sum() < LEAST_POINTS:
        return None
    drawn = drawn[:, :, known]
    agreement = np.full(2, np.nan)
    if len(drawn) > 2:
        others = (drawn.sum(axis=0) - drawn) / (len(drawn) - 1)
        each = [[pearson(drawn[i, axis], others[i, axis]) for axis in range(2)] for i in range(len(drawn))]
        agreement = np.nanmean(each, axis=0)
    return Traced(clip.dataset, clip.artist, at_s[known], traced[known, 1:], drawn.mean(axis=0).T, agreement)


def smoothed(song: Traced, seconds: float) -> NDArray[np.float64]:
    near = np.abs(song.at_s[:, None] - song.at_s[None, :]) <= seconds / 2
    return np.asarray(near @ song.estimated / near.sum(axis=1, keepdims=True))


def pearson(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if one.std() < 1e-9 or other.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def concordance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Lin (1989): 2 cov / (var + var + (difference of means)^2)."""
    covariance = ((one - one.mean()) * (other - other.mean())).mean()
    return float(2 * covariance / max(one.var() + other.var() + (one.mean() - other.mean()) ** 2, 1e-12))


def scores(song: Traced, seconds: float, scale: float) -> dict[str, NDArray[np.float64]]:
    points = smoothed(song, seconds)
    points = points.mean(0) + scale * (points - points.mean(0))
    level = points - points.mean(0) + song.drawn.mean(0)
    axes = range(2)
    return {
        "ccc": np.array([concordance(points[:, a], song.drawn[:, a]) for a in axes]),
        "ccc of the changes": np.array([concordance(level[:, a], song.drawn[:, a]) for a in axes]),
        "r": np.array([pearson(points[:, a], song.drawn[:, a]) for a in axes]),
        "error of the curve": ((points - song.drawn) ** 2).mean(0),
        "error of its mean": ((points.mean(0) - song.drawn) ** 2).mean(0),
    }


def interval(values: NDArray[np.float64], groups: Sequence[str]) -> str:
    """Return the mean and its 95 % interval over groups."""
    rng, names = np.random.default_rng(7), sorted(set(groups))
    by_group = [values[[g == name for g in groups]] for name in names]
    means = [
        np.nanmean(np.concatenate([by_group[i] for i in rng.integers(len(names), size=len(names))]))
        for _ in range(2000)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{np.nanmean(values):.3f} ({low:.3f} to {high:.3f})"


def report(title: str, songs: Sequence[Traced], seconds: float, scale: float, constant: NDArray[np.float64]) -> None:
    print(f"\n{title}: {len(songs)} songs, {sum(len(song.at_s) for song in songs)} points")
    found = [scores(song, seconds, scale) for song in songs]
    groups = [song.group for song in songs]
    for axis, name in enumerate(AXES):
        print(f"  {name}")
        for figure in found[0]:
            print(f"    {figure}: {interval(np.array([each[figure][axis] for each in found]), groups)}")
        still = np.array([((constant[axis] - song.drawn[:, axis]) ** 2).mean() for song in songs])
        print(f"    error of the constant {constant[axis]:+.2f}: {interval(still, groups)}")
        agreement = np.array([song.agreement[axis] for song in songs])
        if np.isfinite(agreement).any():
            print(f"    r of one listener with the mean of the others: {interval(agreement, groups)}")
        better = np.mean([each["error of the curve"][axis] < each["error of its mean"][axis] for each in found])
        print(f"    songs whose curve is nearer than its own mean: {better:.0%}")


def traced_songs(options: argparse.Namespace) -> dict[float, list[Traced]]:
    """Trace all songs with windows of each length, or read what was traced before."""
    predictor = Predictor.load(SHIPPED_DIR / f"{MODEL}.safetensors", device="cpu")
    clips: list[Clip] = []
    curves: dict[str, list[Curve]] = {}
    vgmidi.render(options.data / "vgmidi", options.work)
    for name, module in {"vgmidi": vgmidi, "pmemo": pmemo}.items():
        clips += [clip for clip in module.read(options.data / name, options.work).clips if clip.audio.exists()]
        curves |= module.curves(options.data / name)
    folder = options.work / "curve_accuracy"
    folder.mkdir(parents=True, exist_ok=True)
    traced: dict[float, list[Traced]] = {}
    for window_s in map(float, options.windows.split(",")):
        songs = []
        for clip in tqdm(clips, f"{window_s:g} s", mininterval=10):
            file = folder / f"{digest(f'{clip.id} {window_s:g} {predictor.card.version}'.encode())[:20]}.npy"
            if not file.exists():
                np.save(file, trace(clip.audio, predictor, window_s))
            song = read(clip, curves[clip.id], np.load(file))
            songs += [song] if song else []
        traced[window_s] = songs
    return traced


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("runs/work"))
    parser.add_argument("--windows", default="24,12")
    traced = traced_songs(parser.parse_args())
    midi = {window_s: [song for song in songs if song.source == "vgmidi"] for window_s, songs in traced.items()}
    series = sorted({song.group for songs in midi.values() for song in songs}, key=lambda name: digest(name.encode()))
    tuned_on = set(series[::2])
    ranked = []
    for window_s, songs in midi.items():
        chosen = [song for song in songs if song.group in tuned_on]
        for seconds in SMOOTHINGS_S:
            for scale in SCALES:
                found = np.array([scores(song, seconds, scale)["ccc of the changes"] for song in chosen])
                ranked.append((float(np.nanmean(found)), window_s, seconds, scale))
    print("\nMean CCC of the changes on the half that tunes: window, smoothing, scale")
    for score, window_s, seconds, scale in sorted(ranked, reverse=True)[:8]:
        print(f"  {score:.3f}: {window_s:g} s, {seconds:g} s, {scale:g}")
    served = next(row for row in ranked if row[1:] == (24.0, 0.0, 1.0))
    print(f"  {served[0]:.3f} as served before (24 s, none, 1)")
    _, window_s, seconds, scale = max(ranked)
    for name, how in (("as served before", (24.0, 0.0, 1.0)), ("as chosen", (window_s, seconds, scale))):
        songs = midi[how[0]]
        constant = np.mean([song.drawn.mean(0) for song in songs if song.group in tuned_on], axis=0)
        rest = [song for song in songs if song.group not in tuned_on]
        report(f"VGMIDI, the other half, {name}", rest, how[1], how[2], constant)
        others = [song for song in traced[how[0]] if song.source != "vgmidi"]
        if others:
            report(f"PMEmo, {name}", others, how[1], how[2], constant)


if __name__ == "__main__":
    main()
