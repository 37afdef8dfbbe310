"""Whether an embedding still names the dataset of its song: what the network kept of level and timbre. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.evaluation.metrics import Interval, interval_95, resampled_sums, rounded
from training.evaluation.predictions import Predictions

N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """How well a linear map of the embedding names the dataset of songs of artists that it was not fitted on.

    Attributes:
        datasets: Their names, in the order of the confusion matrix.
        n: Clips.
        accuracy: Of the probe; near the floor is good, for then the network hears music and not its source.
        accuracy_interval: 95 %, over artists.
        floor_accuracy: Always naming the largest dataset.
        balanced_accuracy: Mean over datasets of the share of their clips that were named right; by chance 1 / datasets.
        confusion: Rows are the truth.
    """

    datasets: tuple[str, ...]
    n: int
    accuracy: float
    accuracy_interval: Interval
    floor_accuracy: float
    balanced_accuracy: float
    confusion: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """Return the probe as a plain dictionary, rounded to four digits."""
        return {key: rounded(value) for key, value in asdict(self).items()}


def name_the_dataset(embedding: NDArray[np.floating], dataset: ArrayLike, artist: ArrayLike, *, seed: int = 0) -> Probe:
    """Fit a logistic regression in artist-grouped cross-validation and say how often it names the dataset.

    Args:
        embedding: `(n, n_features)`, all of one network: the spaces of two have nothing in common.
        dataset: `(n,)`, what is to be named.
        artist: `(n,)`, kept on one side of each fold.
        seed: Of the folds.

    Raises:
        ValueError: There are fewer than two datasets, or one has too few artists for the folds.
    """
    names, truth = np.unique(np.asarray(dataset), return_inverse=True)
    artists = np.asarray(artist)
    if len(names) < 2:
        raise ValueError(f"There is only {', '.join(names) or 'no dataset'}: to be told apart there must be two.")
    for i, name in enumerate(names):
        found = len(np.unique(artists[truth == i]))
        if found < N_FOLDS:
            raise ValueError(f"{name} has {found} artists here; {N_FOLDS} artist-grouped folds need one each.")
    folds = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    said = cross_val_predict(probe, embedding.astype(np.float64), truth, groups=artists, cv=folds)
    right = (said == truth).astype(float)
    drawn = resampled_sums(np.column_stack([right, np.ones_like(right)]), artists)
    confusion = confusion_matrix(truth, said)
    return Probe(
        datasets=tuple(names.tolist()),
        n=len(truth),
        accuracy=float(right.mean()),
        accuracy_interval=interval_95(drawn[:, 0] / drawn[:, 1]),
        floor_accuracy=float(np.bincount(truth).max() / len(truth)),
        balanced_accuracy=float(np.mean(np.diagonal(confusion) / confusion.sum(axis=1))),
        confusion=confusion.tolist(),
    )


def probe_run(predictions: Predictions, *, seed: int = 0) -> Probe:
    """Probe the one network of a run that was tested on most clips of two or more datasets.

    Datasets with fewer artists than folds are left out.

    Raises:
        ValueError: No network of the run was tested on two datasets with enough artists.
    """
    networks = list(zip(predictions.protocol.tolist(), predictions.fold.tolist(), strict=True))
    for (protocol, fold), _ in Counter(networks).most_common():
        rows = _with_enough_artists(predictions.where((predictions.protocol == protocol) & (predictions.fold == fold)))
        if len(set(rows.dataset.tolist())) > 1:
            return name_the_dataset(rows.embedding, rows.dataset, rows.artist, seed=seed)
    raise ValueError("No network of this run was tested on two datasets, so that there is nothing to tell apart.")


def _with_enough_artists(predictions: Predictions) -> Predictions:
    artists = {
        dataset: len(set(predictions.artist[predictions.dataset == dataset].tolist()))
        for dataset in set(predictions.dataset.tolist())
    }
    enough = [dataset for dataset, found in artists.items() if found >= N_FOLDS]
    return predictions.where(np.isin(predictions.dataset, enough))
