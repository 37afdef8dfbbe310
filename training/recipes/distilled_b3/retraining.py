"""The recipe again, with the labels that people gave here among the clips. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import tomli_w

from emotion.inference import checkpoint
from emotion.zoo.networks import HeadedNetwork
from training.data.splits import Split, artist_grouped_split
from training.datasets import Clip
from training.exceptions import RetrainRefused
from training.fit.run_folder import RunFolder
from training.recipes.distilled_b3.config import FlagshipConfig, config_of
from training.recipes.distilled_b3.features import gather, load_clips
from training.recipes.distilled_b3.protocols import Fold
from training.recipes.distilled_b3.recipe import (
    fit_and_judge,
    held_out_fold,
    learn,
    timbres_of,
    write_splits,
)
from training.recipes.jobs import RetrainJob, Say


def refit(job: RetrainJob, say: Say) -> None:
    """Fit the live model's head anew, on its backbone as it is; leave a whole run folder.

    Raises:
        RetrainRefused: The live model was not made by this recipe, or its datasets are not here.
    """
    _retrain(job, say, keep_backbone=True)


def retrain_whole(job: RetrainJob, say: Say) -> None:
    """Pre-train a backbone anew as well.

    Raises:
        RetrainRefused: As `refit`.
    """
    _retrain(job, say, keep_backbone=False)


def _retrain(job: RetrainJob, say: Say, *, keep_backbone: bool) -> None:
    started = time.monotonic()
    network, card = checkpoint.load(job.live_weights)
    config = _config(job, card)
    if not isinstance(network, HeadedNetwork):
        raise RetrainRefused(f"The live model is a {card.architecture}, which has no head on a backbone to fit anew.")
    config_toml = tomli_w.dumps({"recipe": "distilled_b3", **asdict(config)})
    folder = RunFolder.create(job.run_dir, config_toml, {"version": job.version, "seed": config.seed})
    public = load_clips(config.datasets, job.data_root, job.work_dir)
    clips = [*public, *job.own_clips]
    material = gather(
        clips,
        config,
        data_root=job.data_root,
        work_dir=job.work_dir,
        timbres=timbres_of(config, job.data_root, job.work_dir),
        say=say,
        own_targets=job.own_targets,
    )
    split = with_own(artist_grouped_split(public, seed=config.seed), public, job.own_clips, config.seed)
    held_out: Fold = held_out_fold(material, clips, split)
    write_splits(folder, material, held_out)
    if not keep_backbone:
        network = learn(
            material, held_out, config, data_root=job.data_root, work_dir=job.work_dir, folder=folder, say=say
        )
    fit_and_judge(network, material, held_out, config, folder=folder, say=say, protocols=())
    folder.finish(time.monotonic() - started)


def _config(job: RetrainJob, card: checkpoint.Card) -> FlagshipConfig:
    raw = card.facts.get("config", {})
    try:
        config = config_of(raw, f"The card of {card.version}")
    except ValueError as error:
        raise RetrainRefused(f"The live model cannot be retrained by this recipe: {error}") from error
    missing = sorted(set(config.datasets) - set(job.data_sets))
    if missing:
        raise RetrainRefused(
            f"The live model learned from {', '.join(missing)} too, not to be found in {job.data_root}: without the "
            "same held-out clips a new model could not be compared with it."
        )
    return replace(config, version=job.version)


def with_own(split: Split, public: Sequence[Clip], own: Sequence[Clip], seed: int) -> Split:
    """Add the clips that people labelled here: by artist, seven tenths to train, one to validate, two to test.

    An artist who is in a part of the public sets joins that part.

    Args:
        split: Of the public clips.
        public: These clips.
        own: Added after them.
        seed: Of the draw.
    """
    parts: tuple[list[int], list[int], list[int]] = (list(split.train), list(split.validation), list(split.test))
    known = {public[i].artist: number for number, part in enumerate(parts) for i in part}
    rng = np.random.default_rng(seed)
    drawn = {artist: int(rng.choice(3, p=(0.7, 0.1, 0.2))) for artist in sorted({clip.artist for clip in own})}
    for i, clip in enumerate(own, start=len(public)):
        parts[known.get(clip.artist, drawn[clip.artist])].append(i)
    return Split(*(tuple(part) for part in parts))
