"""Images of clips on disk, keyed by the audio's content and the whole MelConfig. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from emotion.audio import read_window_at
from emotion.mel import MelConfig, log_mel_image

# The centre window is the paper's and the one evaluation uses; the first is for training only.
PLACES = (0.5, 0.0)


def images_of(paths: Sequence[Path], *, config: MelConfig, cache_dir: Path, workers: int = 2) -> NDArray[np.float16]:
    """Return the images of audio files, computing those that the cache does not hold.

    Each file's images are one `.npy` that appears whole or not at all, so a run that was killed resumes.

    Args:
        paths: Audio files.
        config: How an image is made.
        cache_dir: Where images are kept, below a folder of the configuration's fingerprint.
        workers: Processes.

    Returns:
        `(n, 2, image_size, image_size)` float16 in [0, 1]: the centre and the first window of each file.

    Raises:
        emotion.exceptions.AudioUnreadableError: A file cannot be decoded.
    """
    folder = cache_dir / f"{config.fingerprint}-{len(PLACES)}-windows"
    folder.mkdir(parents=True, exist_ok=True)
    size = config.image_size
    images = np.empty((len(paths), len(PLACES), size, size), np.float16)
    # Left alone, the BLAS of every process starts a thread per core, and they spend most of their time waiting.
    with ProcessPoolExecutor(workers, initializer=threadpool_limits, initargs=(1,)) as pool:
        cached = pool.map(partial(_cached_images, config=config, folder=folder), paths, chunksize=8)
        for i, file in enumerate(tqdm(cached, total=len(paths), desc="images", mininterval=5)):
            images[i] = np.load(file)
    return images


def _cached_images(path: Path, *, config: MelConfig, folder: Path) -> Path:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:24]
    target = folder / f"{digest}.npy"
    if not target.exists():
        stack = np.stack(_images(path, config)).astype(np.float16)
        beside = folder / f"{digest}.part.npy"
        np.save(beside, stack)
        beside.replace(target)
    return target


def _images(path: Path, config: MelConfig) -> list[NDArray[np.float32]]:
    centre = read_window_at(path, PLACES[0], window_s=config.window_s)
    first = log_mel_image(centre.waveform, config)
    if centre.is_partial:
        return [first] * len(PLACES)
    rest = [read_window_at(path, place, window_s=config.window_s) for place in PLACES[1:]]
    return [first, *(log_mel_image(window.waveform, config) for window in rest)]
