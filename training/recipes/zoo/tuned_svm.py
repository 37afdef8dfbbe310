"""The support vector machine of Louro et al., ranked, tuned and fitted inside one fold.

Louro et al. name "a Bayesian optimization method". Choices of this project: its process and bounds, 25 evaluations, and
that five inner folds that share no artist score them by macro-F1.

Source: Louro et al., section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from emotion.zoo.svm import Svm
from training.fit import relieff
from training.fit.tuning import EVALUATIONS, Tuned, maximise

# Of log2 C, and of log2 of gamma times the number of columns.
SVM_BOUNDS = ((-4.0, 8.0), (-6.0, 3.0))
_INNER_FOLDS = 5


def fit_svm(
    machine: Svm,
    inputs: Tensor,
    quadrants: Tensor,
    *,
    groups: NDArray[np.int64],
    seed: int,
    evaluations: int = EVALUATIONS,
) -> Tuned:
    """Rank the features, tune C and gamma, and fit a machine, in place, all on the clips of a training fold.

    In each inner fold the features are ranked and scaled without the clips that score it.

    Args:
        machine: Of `machine.config.n_columns` columns.
        inputs: `(n, n_features)`.
        quadrants: `(n,)` 0 to 3.
        groups: `(n,)` equal for clips that stay on one side, such as those of one artist.
        seed: Of the inner folds and of the search.
        evaluations: How many pairs of C and gamma are tried.

    Returns:
        The search, over log2 C and log2 of gamma times the number of columns.

    Raises:
        ValueError: A quadrant has no clip, or the groups are too few for inner folds.
    """
    features, targets = inputs.cpu().numpy(), quadrants.cpu().numpy()
    n_columns = machine.config.n_columns
    splitter = StratifiedGroupKFold(_INNER_FOLDS, shuffle=True, random_state=seed)
    folds = []
    for train, test in splitter.split(features, targets, groups):
        columns = relieff.top_ranked(features[train], targets[train], n_columns)
        folds.append((features[np.ix_(train, columns)], targets[train], features[np.ix_(test, columns)], targets[test]))

    truth = np.concatenate([fold[3] for fold in folds])

    def score(point: tuple[float, ...]) -> float:
        c, gamma = numbers_of(point, n_columns)
        said = []
        for train, learned, test, _ in folds:
            said.append(make_pipeline(StandardScaler(), SVC(C=c, gamma=gamma)).fit(train, learned).predict(test))
        return float(f1_score(truth, np.concatenate(said), average="macro"))

    tuned = maximise(score, SVM_BOUNDS, seed=seed, evaluations=evaluations)
    c, gamma = numbers_of(tuned.point, n_columns)
    machine.config = replace(machine.config, c=c, gamma=gamma)
    machine.select(relieff.top_ranked(features, targets, n_columns))
    machine.fit(inputs, quadrants, groups)
    return tuned


def numbers_of(point: Sequence[float], n_columns: int) -> tuple[float, float]:
    """Return the C and the gamma of a point that `fit_svm` searched."""
    return float(2.0 ** point[0]), float(2.0 ** point[1]) / n_columns
