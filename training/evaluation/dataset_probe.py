"""Whether an embedding still names the dataset of its song: a sign that the network uses level and timbre."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.evaluation.metrics import Interval, interval_95, resampled_sums, rounded
from training.evaluation.predictions import Predictions

N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """How well a linear map of the embedding names the dataset of `n` songs of artists that it was not fitted on.

    Near the floor is good, for then the network hears music and not its source. The interval is 95 %, over artists; the
    floor always names the largest dataset; `balanced_accuracy` is the mean recall, by chance 1 / datasets. Rows of
    `confusion` are the truth, in the order of `datasets`.
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
        return dict(rounded(asdict(self)))


def name_the_dataset(embedding: NDArray[np.floating], dataset: ArrayLike, artist: ArrayLike, *, seed: int = 0) -> Probe:
    """Fit a logistic regression in artist-grouped cross-validation and score how often it names the dataset.

    Embeddings `(n, n_features)` must be of one network: the spaces of two have nothing in common. An artist `(n,)` is
    kept on one side of each fold.

    Raises:
        ValueError: There are fewer than two datasets, or one has too few artists for the folds.
    """
    names, truth = np.unique(np.asarray(dataset), return_inverse=True)
    artists = np.asarray(artist)
    if len(names) < 2:
        raise ValueError(f"There is only {', '.join(names) or 'no dataset'}: to be told apart there must be two.")
    for i, name in enumerate(names):
        n_artists = len(np.unique(artists[truth == i]))
        if n_artists < N_FOLDS:
            raise ValueError(f"{name} has {n_artists} artists here; {N_FOLDS} artist-grouped folds need one each.")
    folds = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    predicted = cross_val_predict(classifier, embedding.astype(np.float64), truth, groups=artists, cv=folds)
    correct = (predicted == truth).astype(float)
    drawn = resampled_sums(np.column_stack([correct, np.ones_like(correct)]), artists)
    return Probe(
        datasets=tuple(names.tolist()),
        n=len(truth),
        accuracy=float(correct.mean()),
        accuracy_interval=interval_95(drawn[:, 0] / drawn[:, 1]),
        floor_accuracy=float(np.bincount(truth).max() / len(truth)),
        balanced_accuracy=float(balanced_accuracy_score(truth, predicted)),
        confusion=confusion_matrix(truth, predicted).tolist(),
    )


def probe_run(predictions: Predictions, *, seed: int = 0) -> Probe:
    """Probe the one network of a run that was tested on most clips of two or more datasets.

    Datasets with fewer artists than folds are left out.

    Raises:
        ValueError: No network of the run was tested on two datasets with enough artists.
    """
    networks = zip(predictions.protocol.tolist(), predictions.fold.tolist(), strict=True)
    for (protocol, fold), _ in Counter(networks).most_common():
        rows = predictions.where((predictions.protocol == protocol) & (predictions.fold == fold))
        enough = [name for name, part in rows.by_dataset().items() if len(set(part.artist.tolist())) >= N_FOLDS]
        if len(enough) > 1:
            rows = rows.where(np.isin(rows.dataset, enough))
            return name_the_dataset(rows.embedding, rows.dataset, rows.artist, seed=seed)
    raise ValueError("No network of this run was tested on two datasets, so that there is nothing to tell apart.")
