"""The recipe again, with the labels that people gave here among the clips. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from dataclasses import asdict, replace

import numpy as np
import tomli_w
from numpy.typing import NDArray

from emotion.inference import checkpoint
from emotion.zoo.networks import HeadedNetwork
from training.data.splits import PARTS, Fold, Folds, Protocol, artist_grouped_split
from training.datasets import Clip
from training.exceptions import RetrainRefused
from training.fit.run_folder import RunFolder
from training.recipes.distilled_b3.cards import saved_folds
from training.recipes.distilled_b3.config import FlagshipConfig, config_of
from training.recipes.distilled_b3.features import gather, load_clips
from training.recipes.distilled_b3.recipe import fit_and_judge, learn, timbres_of
from training.recipes.registry import RetrainJob, Say


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
    # An older model came without ids; it is dealt for once more, by artist and song alone.
    [before] = (saved_folds(job.live_weights, card.facts) or artist_grouped_split(public, seed=config.seed)).folds
    held_out = with_own(
        before, material.clips, material.groups, own={clip.id for clip in job.own_clips}, seed=config.seed
    )
    folder.write_folds([held_out])
    if not keep_backbone:
        network = learn(
            material, held_out, config, data_root=job.data_root, work_dir=job.work_dir, folder=folder, say=say
        )
    fit_and_judge(network, material, [held_out], config, folder=folder, say=say)
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


def with_own(held_out: Fold, clips: Sequence[Clip], groups: NDArray[np.int64], *, own: Set[str], seed: int) -> Folds:
    """Add the clips that people labelled here: by group, seven tenths to train, one to validate, two to test.

    A group that is in a part already joins that part. Where the live model was trained on a clip that is linked with
    one of its tests, the new one is not.

    Args:
        held_out: What the live model was held out from.
        clips: Of the public sets and of people here; of the former, only those of the live model are taken.
        groups: `(n,)` of `training.data.splits.linked_groups`.
        own: Ids of the clips of people here.
        seed: Of the draw.
    """
    group_of = {clip.id: int(group) for clip, group in zip(clips, groups, strict=True)}
    old = {i: part for part in PARTS for i in getattr(held_out, part) if i in group_of}
    # The test comes last, so that a group that lies in several parts is tested.
    part_of = {group_of[i]: part for i, part in old.items()}
    new: dict[str, list[str]] = {part: [] for part in PARTS}
    for i, part in old.items():
        if i not in own and part_of[group_of[i]] == part:
            new[part].append(i)
    rng = np.random.default_rng(seed)
    for i in sorted(own & group_of.keys()):
        new[part_of.setdefault(group_of[i], str(rng.choice(PARTS, p=(0.7, 0.1, 0.2))))].append(i)
    return Folds(Protocol.HELD_OUT, (Fold(*(tuple(new[part]) for part in PARTS)),))
