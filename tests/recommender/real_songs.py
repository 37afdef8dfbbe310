"""The shipped model's estimates of 96 real songs, as arrays and as rows; `tools.real_estimates` writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from catalog.models import Artist, Song
from emotion.inference.quadrants import Quadrant
from tests.factories import ArtistFactory, EstimateFactory, SongFactory

with np.load(Path(__file__).with_name("real_estimates.npz")) as _stored:
    REAL = {name: _stored[name] for name in _stored}
SOURCES = ("demo", "catalog", "emotify")


def embeddings() -> np.ndarray:
    """Return the embeddings `(96, 64)`, of unit length again after half precision."""
    rows = REAL["embeddings"].astype(np.float64)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def points() -> np.ndarray:
    """Return valence and arousal `(96, 2)`."""
    return np.column_stack([REAL["valence"], REAL["arousal"]]).astype(np.float64)


def make_real_songs(*sources: str) -> list[Song]:
    """Store the songs of some sources, or of all, with their estimates."""
    artists: dict[str, Artist] = {}
    songs = []
    vectors = embeddings().astype("<f4")
    for row in np.flatnonzero(np.isin(REAL["source"], sources or SOURCES)):
        name = str(REAL["artist"][row])
        artists[name] = artists.get(name) or ArtistFactory(name=name or "Unknown artist")
        song = SongFactory(
            title=str(REAL["title"][row]), artist=artists[name], duration_s=float(REAL["duration_s"][row])
        )
        probabilities = REAL["probabilities"][row].tolist()
        EstimateFactory(
            song=song,
            model_version=str(REAL["model_version"]),
            quadrant=Quadrant(int(np.argmax(probabilities)) + 1),
            valence=float(REAL["valence"][row]),
            arousal=float(REAL["arousal"][row]),
            embedding_bytes=vectors[row].tobytes(),
            **{f"p_q{quadrant.value}": probabilities[quadrant.index] for quadrant in Quadrant},
        )
        songs.append(song)
    return songs
