"""`python -m tools.real_estimates`: write the shipped model's estimates of real songs for the recommender's tests.

96 songs, numbers and names only: the demo songs, the complete tracks of `MER_DATA`/catalog, and 36 clips of
`MER_DATA`/emotify, nine of each genre, of which rock 72 and 75 are one recording. Run it again for another model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.conf import settings

from catalog.files.probe import probe
from emotion.exceptions import AudioUnreadableError
from emotion.inference.checkpoint import shipped_weights
from emotion.inference.predict import Predictor

ROOT = Path(__file__).resolve().parent.parent
ESTIMATES = ROOT / "tests" / "recommender" / "real_estimates.npz"
_NINE = tuple(range(6, 100, 11))
_CLIPS = {"classical": _NINE, "electronic": _NINE, "pop": _NINE, "rock": (6, 17, 28, 39, 50, 61, 72, 75, 94)}


class _File(NamedTuple):
    source: str
    path: Path


def files() -> Iterator[_File]:
    """Yield the songs in the order of the arrays, each with the name of its set: demo, catalog or emotify."""
    data = Path(settings.MER_DATA)
    for source, folder, suffix in (("demo", ROOT / "catalog" / "demo", "opus"), ("catalog", data / "catalog", "ogg")):
        yield from (_File(source, path) for path in sorted(folder.glob(f"*.{suffix}")))
    for genre, numbers in _CLIPS.items():
        yield from (_File("emotify", data / "emotify" / genre / f"{number}.opus") for number in numbers)


def write(path: Path = ESTIMATES) -> None:
    """Analyse the songs with the shipped model and write probabilities, points, uncertainty, embeddings and names.

    Raises:
        emotion.exceptions.AudioUnreadableError: A file cannot be read.
    """
    songs = list(files())
    predictor = Predictor.load(shipped_weights())
    estimates = []
    for result in predictor.predict([song.path for song in songs]):
        if isinstance(result, AudioUnreadableError):
            raise result
        estimates.append(result)
    facts = [probe(song.path) for song in songs]
    np.savez_compressed(
        path,
        model_version=np.array(predictor.card.version),
        source=np.array([song.source for song in songs]),
        title=np.array([fact.tags.title or song.path.stem for fact, song in zip(facts, songs, strict=True)]),
        artist=np.array([fact.tags.artist for fact in facts]),
        duration_s=np.array([fact.duration_s for fact in facts], np.float32),
        probabilities=np.array([each.probabilities for each in estimates], np.float32),
        valence=np.array([each.valence for each in estimates], np.float32),
        arousal=np.array([each.arousal for each in estimates], np.float32),
        valence_sd=np.array([each.valence_sd for each in estimates], np.float32),
        arousal_sd=np.array([each.arousal_sd for each in estimates], np.float32),
        embeddings=np.array([each.embedding for each in estimates], np.float16),
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mer_site.settings")
    write()
