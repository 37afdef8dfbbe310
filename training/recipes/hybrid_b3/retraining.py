"""Fits the head of a hybrid again with the local labels, on features that come with the program: minutes, no data set.

`FEATURES` holds, of the clips that the shipped model was fitted to and tested on, the principal components that its
kernel compares, the embedding and the labels, in half precision; no audio can be made of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.model_selection import GroupKFold

from catalog.core.files import digest
from emotion.inference import checkpoint
from emotion.inference.estimate import quadrant_probabilities
from emotion.inference.predict import device_of
from emotion.zoo.frontends import ImageAndTaggerMel
from emotion.zoo.hybrid_b3 import HybridB3
from emotion.zoo.kernel_head import KernelConfig, KernelData
from training.data.duplicates import duplicate_groups
from training.data.splits import PARTS, Fold, Folds, Protocol, linked_groups
from training.data.stored_clips import StoredClips
from training.datasets import Clip
from training.evaluation.metrics import interval_95, resampled_sums, score_by_dataset
from training.evaluation.predictions import Predictions
from training.exceptions import RetrainRefusedError
from training.fit.run_folder import PREDICTIONS, RunFolder
from training.recipes.hybrid_b3.features import clip_features
from training.recipes.registry import Log, RetrainJob

FEATURES = checkpoint.SHIPPED_DIR / "hybrid-b3.features.npz"
# A local label counts as much as so many clips of the data sets: it is about the music that is here.
OWN_WEIGHT = 5.0
# By so much, and beyond chance, the labels must lower the log loss on local songs left out of them.
MIN_GAIN = 0.01
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class PublicFeatures(StoredClips):
    """Clips of the data sets, without audio; all arrays have the same length `n`, but the last."""

    what: ClassVar[str] = "features"

    song: NDArray[np.str_]
    part: NDArray[np.str_]  # Of the held-out split: "train", "validation" or "test".
    targets: NDArray[np.float32]  # `(n, 4)` soft quadrant labels.
    weights: NDArray[np.float32]
    reduced: NDArray[np.float16]  # `(n, n_components)`.
    embedding: NDArray[np.float16]  # `(n, 64)`.
    components_sha256: NDArray[np.str_]  # Of the network whose `reduced` these are.

    @property
    def songs(self) -> NDArray[np.str_]:
        return self.song


def components_digest(network: HybridB3) -> str:
    """Return a hash of what features become before the kernel compares them."""
    return digest(network.kernel.components.half().numpy().tobytes())


def refit(job: RetrainJob, log: Log) -> None:
    """Fit the output layer of the live hybrid again and leave a complete run folder.

    The local labels are cross-validated, artists apart: if they do not make the model better on local songs that it has
    not learned from, there is no new model.

    Raises:
        RetrainRefusedError: They do not help, the live model is no hybrid, or the features are not of its networks.
    """
    started, device = time.monotonic(), device_of(job.device)
    network, card = checkpoint.load(job.live_weights)
    try:
        public = PublicFeatures.load(FEATURES)
    except ValueError as error:
        raise RetrainRefusedError(str(error)) from error
    if not (isinstance(network, HybridB3) and isinstance(card.frontend, ImageAndTaggerMel)):
        raise RetrainRefusedError(f"The live model is a {card.architecture}, not a hybrid.")
    if str(public.components_sha256) != components_digest(network):
        raise RetrainRefusedError("The features that come with the program are not those of the live model's networks.")
    cache = job.work_dir / "hybrid-features" / card.weights_sha256[:12]
    audio = [clip.audio for clip in job.local_clips]
    found = clip_features(network, card.frontend, audio, cache, log=log, device=device)
    clips = [clip for clip, row in zip(job.local_clips, found, strict=True) if row is not None]
    features = torch.from_numpy(np.stack([row for row in found if row is not None]))
    own = _Own(network, card, public, clips, features, job.local_targets)
    groups = linked_groups(clips, _duplicates(clips, job.work_dir))
    before, after = own.judged_without(), own.cross_validated(groups)
    gains = np.column_stack([before.losses - after.losses, np.ones(len(clips))])
    low, high = interval_95(np.divide(*resampled_sums(gains, groups).T))
    log(f"Without the labels: {before}. With them, on songs left out of them: {after}. Gain {low:+.3f} to {high:+.3f}.")
    if before.loss - after.loss < MIN_GAIN or low <= 0 or after.accuracy < before.accuracy:
        raise RetrainRefusedError(
            "The labels do not help yet. On local songs left out of them, the log loss is "
            f"{after.loss:.3f} with them and {before.loss:.3f} without (95 % of the gain: {low:+.3f} to {high:+.3f}), "
            f"the accuracy {after.accuracy:.0%} and {before.accuracy:.0%}. Label more songs."
        )
    own.fit(np.arange(len(clips)))
    scores = {"without_labels": before.to_json(), "with_labels": after.to_json()}
    _write(job, network, card, public, clips, scores, started)


@dataclass(frozen=True, slots=True)
class _Score:
    """The log loss of each local song, under the sharpness that suits the songs best, and the accuracy."""

    losses: NDArray[np.float64]
    accuracy: float

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    def __str__(self) -> str:
        return f"log loss {self.loss:.3f}, accuracy {self.accuracy:.0%} of {len(self.losses)} songs"

    def to_json(self) -> dict[str, float]:
        return {"log_loss": self.loss, "accuracy": self.accuracy, "n": len(self.losses)}


class _Own:
    """The local songs, as the live model's kernel compares them, beside the public clips."""

    def __init__(
        self,
        network: HybridB3,
        card: checkpoint.Card,
        public: PublicFeatures,
        clips: Sequence[Clip],
        features: torch.Tensor,
        targets: Any,
    ) -> None:
        self._network, self._card, self._public = network, card, public
        self._rows = np.flatnonzero(public.part != "test")
        kernel = network.kernel
        with torch.inference_mode():
            self._similar = kernel.similarities(torch.from_numpy(public.reduced[self._rows].astype(np.float32)))
            self._own = kernel.similarities(kernel.reduced(features))
        self._targets = np.array([targets[clip.id] for clip in clips], np.float32)
        self._points = np.array([(clip.valence, clip.arousal) for clip in clips], np.float32)

    def fit(self, chosen: NDArray[np.int64]) -> None:
        """Fit the output layer to the public clips and to some local songs."""
        public, rows = self._public, self._rows
        data = KernelData(
            public.reduced[:0].astype(np.float32),
            np.concatenate([public.targets[rows], self._targets[chosen]]),
            np.concatenate([public.points[rows], self._points[chosen]]),
            np.concatenate([public.weights[rows], np.full(len(chosen), OWN_WEIGHT)]).astype(np.float64),
        )
        similar = torch.cat([self._similar, self._own[torch.from_numpy(chosen)]])
        self._network.kernel.fit_output(similar, data, KernelConfig())

    def judged_without(self) -> _Score:
        """Score the bundled model: the live one may have learned from these songs."""
        before = checkpoint.load(checkpoint.shipped_weights())[0]
        assert isinstance(before, HybridB3)
        return self._score(self._scores(before, np.arange(len(self._targets))))

    def cross_validated(self, groups: NDArray[np.int64]) -> _Score:
        found = np.zeros((len(self._targets), 2))
        n_folds = min(_FOLDS, len(set(groups.tolist())))
        if n_folds < 2:
            raise RetrainRefusedError("All labelled songs are by one artist; label songs of others as well.")
        for learned, others in GroupKFold(n_folds).split(groups, groups=groups):
            self.fit(learned)
            found[others] = self._scores(self._network, others)
        return self._score(found)

    @torch.inference_mode()
    def _scores(self, network: HybridB3, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        output = network.kernel.output(self._own[torch.from_numpy(chosen)]).numpy()
        return self._card.reading.scores(output[:, :4], output[:, 4:].clip(-1, 1))

    def _score(self, scores: NDArray[np.float64]) -> _Score:
        def losses(sharpness: float) -> NDArray[np.float64]:
            log_p = np.log(np.maximum(quadrant_probabilities(sharpness * scores), 1e-9))
            return np.asarray(-(self._targets * log_p).sum(axis=1))

        # A model that is only flatter is no better: sharpness is fitted to these songs, with and without the labels.
        best = minimize_scalar(lambda sharpness: losses(sharpness).mean(), bounds=(0, 5)).x
        right = quadrant_probabilities(scores).argmax(axis=1) == self._targets.argmax(axis=1)
        return _Score(losses(best), float(right.mean()))


def _duplicates(clips: Sequence[Clip], work_dir: Path) -> NDArray[np.int64]:
    return duplicate_groups([clip.audio for clip in clips], cache_dir=work_dir / "landmarks")


def _write(
    job: RetrainJob,
    network: HybridB3,
    card: checkpoint.Card,
    public: PublicFeatures,
    clips: Sequence[Clip],
    scores: dict[str, Any],
    started: float,
) -> None:
    facts = {"version": job.version, "recipe": "hybrid_b3"}
    folder = RunFolder.create(job.run_dir, tomli_w.dumps({"recipe": "hybrid_b3", "version": job.version}), facts)
    parts = {part: tuple(map(str, public.clip[public.part == part])) for part in PARTS}
    held_out = Fold(parts["train"] + tuple(clip.id for clip in clips), parts["validation"], parts["test"])
    folds = Folds(Protocol.HELD_OUT, (held_out,))
    folder.write_folds([folds])
    rows = np.flatnonzero(public.part == "test")
    with torch.inference_mode():
        logits, points = network.kernel.judge(torch.from_numpy(public.reduced[rows].astype(np.float32)))
    predictions = Predictions.of_clips(
        public.clips(rows),
        protocol=Protocol.HELD_OUT,
        fold=0,
        logits=logits.numpy(),
        estimates=card.reading.estimates(logits.numpy(), points.numpy()),
        embeddings=public.embedding[rows],
    )
    predictions.save(folder.path / PREDICTIONS)
    tested = {name: each.to_json() for name, each in score_by_dataset(predictions).items()}
    split = {
        **card.facts["split"],
        "sha256": folds.sha256,
        "sizes": {part: len(getattr(held_out, part)) for part in PARTS},
    }
    local = {"clips": len(clips), "licence": "labels by users of this installation; not shared"}
    of_card: dict[str, Any] = {
        **card.facts,
        "datasets": {**card.facts["datasets"], "own": local},
        "split": split,
        "test": {"model": tested},
        "tables": [],
        "own": scores,
        "commit": folder.facts()["commit"],
    }
    folder.write_metrics({"own": scores})
    made = replace(card, version=job.version, facts=of_card)
    checkpoint.save(network, made, folder.path / f"{job.version}.safetensors")
    folder.finish(time.monotonic() - started)
