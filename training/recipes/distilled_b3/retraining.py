"""Retrain the live model with the local labels among the clips."""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from dataclasses import asdict, replace

import numpy as np
import tomli_w
from numpy.typing import NDArray

from emotion.inference import checkpoint
from emotion.zoo.registry import HeadedNetwork
from training.data.splits import PARTS, Fold, Folds, Protocol, artist_grouped_split
from training.datasets import Clip
from training.exceptions import RetrainRefusedError
from training.fit.run_folder import RunFolder
from training.recipes.distilled_b3.cards import saved_folds
from training.recipes.distilled_b3.config import config_of
from training.recipes.distilled_b3.features import gather, load_clips
from training.recipes.distilled_b3.recipe import fit_and_judge, learn, timbres_of
from training.recipes.registry import Log, RetrainJob


def refit(job: RetrainJob, log: Log, *, keep_backbone: bool = True) -> None:
    """Refit the live model's head on its backbone, or pre-train that too; leave a complete run folder.

    Raises:
        RetrainRefusedError: The live model was not made by this recipe, or its datasets are not here.
    """
    started = time.monotonic()
    network, card = checkpoint.load(job.live_weights)
    try:
        config = replace(config_of(card.facts.get("config", {}), f"The card of {card.version}"), version=job.version)
    except ValueError as error:
        raise RetrainRefusedError(f"The live model cannot be retrained by this recipe: {error}") from error
    if missing := sorted(set(config.datasets) - set(job.data_sets)):
        raise RetrainRefusedError(
            f"The live model learned from {', '.join(missing)} too, not to be found in {job.data_root}: without the "
            "same held-out clips a new model could not be compared with it."
        )
    if not isinstance(network, HeadedNetwork):
        raise RetrainRefusedError(
            f"The live model is a {card.architecture}, which has no head on a backbone to fit anew."
        )
    # TOML has no null: a stage without a scene of its own leaves the key out.
    values = asdict(config, dict_factory=lambda items: {key: value for key, value in items if value is not None})
    config_toml = tomli_w.dumps({"recipe": "distilled_b3", **values})
    folder = RunFolder.create(job.run_dir, config_toml, {"version": job.version, "seed": config.seed})
    places = {"data_root": job.data_root, "work_dir": job.work_dir}
    public = load_clips(config.datasets, **places)
    timbres = timbres_of(config, **places)
    clips = [*public, *job.local_clips]
    features = gather(clips, config, **places, timbres=timbres, log=log, local_targets=job.local_targets)
    # An older model came without ids; it is dealt for once more, by artist and song alone.
    [before] = (saved_folds(job.live_weights, card.facts) or artist_grouped_split(public, seed=config.seed)).folds
    local = {clip.id for clip in job.local_clips}
    held_out = with_local_labels(before, features.clips, features.groups, local=local, seed=config.seed)
    folder.write_folds([held_out])
    if not keep_backbone:
        network = learn(features, held_out, config, **places, folder=folder, log=log)
    fit_and_judge(network, features, [held_out], config, folder=folder, log=log)
    folder.finish(time.monotonic() - started)


def with_local_labels(
    held_out: Fold, clips: Sequence[Clip], groups: NDArray[np.int64], *, local: Set[str], seed: int
) -> Folds:
    """Add the locally labelled clips: by group, seven tenths to train, one to validate, two to test.

    A group that is in a part already joins that part. Where the live model was trained on a clip that is linked with
    one of its tests, the new one is not. Of the public clips, only those of the live model are taken; `groups` `(n,)`
    are `training.data.splits.linked_groups`.
    """
    group_of = {clip.id: int(group) for clip, group in zip(clips, groups, strict=True)}
    old = {i: part for part in PARTS for i in getattr(held_out, part) if i in group_of}
    # The test comes last, so that a group that lies in several parts is tested.
    part_of = {group_of[i]: part for i, part in old.items()}
    new: dict[str, list[str]] = {part: [] for part in PARTS}
    for i, part in old.items():
        if i not in local and part_of[group_of[i]] == part:
            new[part].append(i)
    rng = np.random.default_rng(seed)
    for i in sorted(local & group_of.keys()):
        new[part_of.setdefault(group_of[i], str(rng.choice(PARTS, p=(0.7, 0.1, 0.2))))].append(i)
    return Folds(Protocol.HELD_OUT, (Fold(*(tuple(new[part]) for part in PARTS)),))
