"""The training clips of a dataset, by the paper's 24 s rule and its extreme corners.

Source: Cazzaniga et al., sections 4.1 and 4.2, Figure 2. The paper does not say how many clips it takes from a
quadrant: the rule is this project's reading, and its totals for PMEmo (232) and Emotion in Music (346) are an option.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from itertools import groupby

from emotion.inference.quadrants import Quadrant
from emotion.signal.audio import WINDOW_S
from training.datasets.base import Clip, duration_s
from training.exceptions import TrainingError

# Taken whole in the paper: one is balanced as published, the other is too small to lose clips.
KEPT_WHOLE = ("4qaed", "bimodal")


class SelectionError(TrainingError):
    """A rule that would leave nothing of a dataset, or asks for more than it has."""

    code = "selection_impossible"


class ShortClips(StrEnum):
    """Treatment of a clip shorter than the window: dropped, repeated, or padded with silence."""

    DROP = "drop"
    REPEAT = "repeat"
    PAD = "pad"


def long_enough(clips: Sequence[Clip], *, short: ShortClips = ShortClips.DROP, min_s: float = WINDOW_S) -> list[Clip]:
    """Apply the paper's 24 s rule, unless `images_of` repeats or pads short clips."""
    if short is not ShortClips.DROP:
        return list(clips)
    long = []
    for clip in clips:
        whole_s = duration_s(clip.audio)
        if (whole_s if clip.end_s is None else min(clip.end_s, whole_s)) - clip.start_s >= min_s:
            long.append(clip)
    datasets = {clip.dataset for clip in long}
    for dataset in dict.fromkeys(clip.dataset for clip in clips):
        if dataset not in datasets:
            raise SelectionError(
                f"Every clip of {dataset} is shorter than {min_s:g} s. Keep short clips (repeat or pad), or leave "
                f"{dataset} out."
            )
    return long


def extreme_corners(
    clips: Sequence[Clip],
    *,
    cap: float = 1.0,
    totals: Mapping[str, int] | None = None,
    whole: Collection[str] = KEPT_WHOLE,
) -> list[Clip]:
    """Balance each dataset over the quadrants, in favour of the clips deepest in the corners.

    Within a quadrant clips are ranked by min(|v|, |a|), then by v^2 + a^2. It contributes at most `cap` times the clips
    of the dataset's smallest quadrant or, as evenly as possible, its number in `totals`. A dataset without valence and
    arousal stays whole, like those in `whole`; in others, clips without them are left out.

    Source: Cazzaniga et al., section 4.2.
    """
    if cap < 1.0:
        raise SelectionError(f"A cap of {cap:g} would keep less than the smallest quadrant has; give 1 or more.")
    chosen: set[str] = set()
    by_dataset = sorted(clips, key=lambda clip: clip.dataset)
    for dataset, members in groupby(by_dataset, key=lambda clip: clip.dataset):
        group = list(members)
        corners = _corners(group)
        if dataset in whole or not any(corners.values()):
            chosen |= {clip.id for clip in group}
            continue
        counts = _counts(dataset, corners, cap, (totals or {}).get(dataset))
        chosen |= {clip.id for quadrant, n in counts.items() for clip in corners[quadrant][:n]}
    return [clip for clip in clips if clip.id in chosen]


def _corners(clips: Sequence[Clip]) -> dict[Quadrant, list[Clip]]:
    ranked: list[tuple[float, float, str, Clip]] = []
    for clip in clips:
        if clip.quadrant is not None and clip.valence is not None and clip.arousal is not None:
            depth = min(abs(clip.valence), abs(clip.arousal))
            ranked.append((-depth, -(clip.valence**2 + clip.arousal**2), clip.id, clip))
    ranked.sort(key=lambda row: row[:3])
    return {quadrant: [clip for *_, clip in ranked if clip.quadrant is quadrant] for quadrant in Quadrant}


def _counts(
    dataset: str, corners: Mapping[Quadrant, Sequence[Clip]], cap: float, total: int | None
) -> dict[Quadrant, int]:
    sizes = {quadrant: len(clips) for quadrant, clips in corners.items()}
    if total is not None:
        if not 0 < total <= sum(sizes.values()):
            raise SelectionError(
                f"{dataset} has {sum(sizes.values())} rated clips; a total of {total} cannot be taken."
            )
        counts = dict.fromkeys(sizes, 0)
        for _ in range(total):
            counts[min((q for q in sizes if counts[q] < sizes[q]), key=lambda q: (counts[q], q))] += 1
        return counts
    for quadrant, size in sizes.items():
        if size == 0:
            raise SelectionError(
                f"{dataset} has no clip in {quadrant.name} ({quadrant.label}), so an equal number from each quadrant "
                f"would be none. Leave {dataset} out, keep it whole, or give it a total."
            )
    most = math.floor(cap * min(sizes.values()))
    return {quadrant: min(size, most) for quadrant, size in sizes.items()}
