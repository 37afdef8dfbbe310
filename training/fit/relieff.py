"""ReliefF: how well each feature tells near clips of different classes apart.

Source: Kononenko (1994), Estimating attributes: analysis and extensions of RELIEF; Robnik-Sikonja and Kononenko (2003),
Theoretical and empirical analysis of ReliefF and RReliefF, section 2.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist


def relieff(features: NDArray[np.floating], classes: NDArray[np.int64], *, neighbours: int = 10) -> NDArray[np.float64]:
    """Weigh features by the clips next to each clip: those of its class must be alike, those of the others unlike.

    Every clip is asked, so nothing is drawn. Features are scaled to a range of 1 over these clips, and distances are
    sums of absolute differences. A class with fewer other clips than `neighbours` lends all that it has.

    Args:
        features: `(n, n_features)`; a constant one weighs 0.
        classes: `(n,)` any labels.
        neighbours: How many nearest clips of each class count.

    Returns:
        `(n_features,)` in [-1, 1], the most telling feature the largest.
    """
    low, high = features.min(axis=0), features.max(axis=0)
    scaled = (features - low).astype(np.float64) / np.where(high > low, high - low, 1)
    distances = cdist(scaled, scaled, "cityblock")
    np.fill_diagonal(distances, np.inf)
    labels, of_clip, counts = np.unique(classes, return_inverse=True, return_counts=True)
    shares = counts / len(classes)
    weights = np.zeros(features.shape[1])
    for label in range(len(labels)):
        members = np.flatnonzero(of_clip == label)
        for asked in range(len(labels)):
            rows = np.flatnonzero(of_clip == asked)
            n_nearest = min(neighbours, len(members) - (label == asked))
            if not n_nearest:
                continue
            nearest = members[np.argpartition(distances[np.ix_(rows, members)], n_nearest - 1, axis=1)[:, :n_nearest]]
            difference = sum(np.abs(scaled[rows] - scaled[each]).sum(axis=0) for each in nearest.T) / n_nearest
            weights += difference * (-1.0 if label == asked else shares[label] / (1 - shares[asked]))
    return weights / len(features)


def top_ranked(
    features: NDArray[np.floating], classes: NDArray[np.int64], n: int, *, neighbours: int = 10
) -> NDArray[np.int64]:
    """Return the positions `(n,)` of the features with the largest weights, the best first; fewer where there are."""
    return np.argsort(-relieff(features, classes, neighbours=neighbours), kind="stable")[:n]
