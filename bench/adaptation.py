"""What a rating costs: fitting the listener's model again, whole, against a plain ridge regression of as many rows.

Run: OMP_NUM_THREADS=1 python bench/adaptation.py [number of ratings ...]. Prints both times and their ratio, measured
in this run; what a listener waits for is the first one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from recommender.felt_model.model import ListenerModel, Prior, Ratings, features_of

N_DIMENSIONS, N_DIRECTIONS = 64, 8
REPEATS = 15


def made(n_ratings: int) -> Ratings:
    """Make ratings of a listener who feels things a little calmer, half of them with the mood before."""
    rng = np.random.default_rng(0)
    perceived = rng.uniform(-1, 1, (n_ratings, 2))
    embeddings = rng.normal(size=(n_ratings, N_DIMENSIONS))
    moods = np.where(rng.random((n_ratings, 1)) < 0.5, rng.uniform(-1, 1, (n_ratings, 2)), np.nan)
    return Ratings(
        song_ids=np.arange(n_ratings),
        perceived=perceived,
        felt=np.clip(perceived + np.array([0.0, -0.2]) + rng.normal(0, 0.2, (n_ratings, 2)), -1, 1),
        embeddings=embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
        weights=np.ones(n_ratings),
        likes=rng.choice([-1.0, 1.0, np.nan], n_ratings),
        like_weights=np.ones(n_ratings),
        moods=moods,
        familiar=np.zeros(n_ratings),
    )


def median_ms(work: Callable[[], object]) -> float:
    """Return the median of several runs, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return 1000 * float(np.median(times))


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:]] or [1, 10, 100, 300, 1000]
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(N_DIMENSIONS, N_DIRECTIONS)))[0].T
    prior = Prior.default()
    print("| ratings | own model, ms | plain ridge, ms | ratio |\n|---|---|---|---|")
    for size in sizes:
        ratings = made(size)
        x = features_of(ratings, basis)

        def ridge(x: np.ndarray = x, ratings: Ratings = ratings) -> object:
            return np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ (ratings.felt - ratings.perceived))

        def fit(ratings: Ratings = ratings) -> object:
            return ListenerModel.fit(ratings, prior, basis)

        fit_ms = median_ms(fit)
        plain = median_ms(ridge)
        print(f"| {size} | {fit_ms:.2f} | {plain:.3f} | {fit_ms / plain:.0f} |")


if __name__ == "__main__":
    main()
