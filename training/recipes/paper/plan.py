"""Which clips the paper's protocol trains on here, and who tests whom. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.core.files import digest
from training.data.duplicates import duplicate_groups
from training.data.folds import Folds, Protocol
from training.data.selection import SelectionError, ShortClips, extreme_corners, long_enough
from training.data.splits import paper_folds
from training.datasets import DATASETS, Clip, DatasetError
from training.recipes.paper.config import PaperConfig, PaperError


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be trained on.

    Attributes:
        clips: Selected clips of all sources.
        sources: For each dataset that was asked for, what became of it.
        folds: Of each protocol.
    """

    clips: list[Clip]
    sources: dict[str, dict[str, Any]]
    folds: list[Folds]

    @property
    def fingerprint(self) -> str:
        """Hash of every clip's id, label and sound."""
        lines = [
            f"{clip.id}\t{clip.quadrant}\t{clip.valence}\t{clip.arousal}\t{digest(clip.audio)}\n" for clip in self.clips
        ]
        return digest("".join(lines).encode())


def plan(config: PaperConfig, *, data_root: Path, work_dir: Path, say: Callable[[str], None]) -> Plan:
    """Select clips and deal them into folds.

    Args:
        config: The run.
        data_root: Folder of the datasets.
        work_dir: Rendered audio and caches.
        say: Receives which source is left out, and why.

    Raises:
        PaperError: No source is left.
        training.data.folds.SplitError: A class would be missing in a fold.
    """
    clips: list[Clip] = []
    sources: dict[str, dict[str, Any]] = {}
    for name in config.datasets:
        sources[name], chosen = _select(name, config, data_root, work_dir)
        if "left_out" in sources[name]:
            say(f"{name} is left out: {sources[name]['left_out']}")
        clips += chosen
    if not clips:
        raise PaperError(f"None of {', '.join(config.datasets)} can be trained on; see above, or `manage.py datasets`.")
    recordings = None
    if config.find_duplicates and Protocol.ARTIST_GROUPED in config.protocols:
        recordings = duplicate_groups([clip.audio for clip in clips], cache_dir=work_dir / "landmarks")
    folds = [
        paper_folds(
            clips,
            seed=config.seed,
            n_folds=config.folds,
            test_share=config.test_share,
            duplicates=recordings if protocol == Protocol.ARTIST_GROUPED else None,
            grouped=protocol == Protocol.ARTIST_GROUPED,
        )
        for protocol in config.protocols
    ]
    return Plan(clips, sources, folds)


def _select(name: str, config: PaperConfig, data_root: Path, work_dir: Path) -> tuple[dict[str, Any], list[Clip]]:
    """Return what became of a source, and its selected clips."""
    dataset = DATASETS[name]
    told: dict[str, Any] = {"clips": 0, "licence": dataset.licence}
    try:
        everything = [clip for clip in dataset.load(data_root / dataset.folder, work_dir) if clip.quadrant is not None]
        heard = [clip for clip in everything if clip.audio.is_file() and clip.audio.stat().st_size]
        told |= {"labelled": len(everything), "with_audio": len(heard)}
        if not heard:
            return {**told, "left_out": f"none of its {len(everything)} labelled clips has audio here."}, []
        chosen = long_enough(heard, short=ShortClips(config.short_clips), min_s=config.mel.window_s)
        told["long_enough"] = len(chosen)
        chosen = extreme_corners(chosen, cap=config.corner_cap, totals=config.totals)
    except (DatasetError, SelectionError) as error:
        return {**told, "left_out": str(error)}, []
    counts = Counter(clip.quadrant.name for clip in chosen if clip.quadrant is not None)
    told["quadrants"] = {quadrant: counts[quadrant] for quadrant in ("Q1", "Q2", "Q3", "Q4")}
    smallest = min(told["quadrants"].values())
    if smallest < config.least_per_class:
        sentence = (
            f"its smallest class has {smallest} clips; {config.least_per_class} are needed for the test and folds."
        )
        return {**told, "left_out": sentence}, []
    return {**told, "clips": len(chosen)}, chosen
