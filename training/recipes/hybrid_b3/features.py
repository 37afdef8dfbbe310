"""The features that a hybrid's networks compute of audio files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from catalog.core.files import write_atomic
from emotion.exceptions import AudioUnreadableError
from emotion.inference.predict import Features
from emotion.signal.audio import read_window_at
from emotion.zoo.frontends import ImageAndTaggerMel
from emotion.zoo.hybrid_b3 import HybridB3
from training.recipes.distilled_b3.mixtures import content_name
from training.recipes.registry import Log

_BATCH = 8


def clip_features(
    network: HybridB3,
    frontend: ImageAndTaggerMel,
    paths: Sequence[Path],
    cache: Path,
    *,
    log: Log,
    device: torch.device,
) -> list[NDArray[np.float32] | None]:
    """Return the features `(n_features,)` of the window of each file that is served; None for an unreadable one.

    Each file's features are an `.npy` named by the audio's content, written whole, so that a killed run resumes.
    """
    cache.mkdir(parents=True, exist_ok=True)
    targets = [cache / f"{content_name(path)}.npy" for path in paths]
    missing = [(path, target) for path, target in zip(paths, targets, strict=True) if not target.exists()]
    # Compiling takes longer than a few clips do.
    features = Features(network, frontend.input_shape, device) if missing else None

    def prepared(path: Path) -> NDArray[np.float32] | None:
        try:
            return frontend.prepare(read_window_at(path, 0.5, window_s=frontend.window_s).waveform)
        except AudioUnreadableError as error:
            log(f"{path} is left out: {error}")
            return None

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(2) as pool:
        for start in tqdm(range(0, len(missing), _BATCH), desc="features", mininterval=10):
            batch = missing[start : start + _BATCH]
            arrays = list(pool.map(prepared, [path for path, _ in batch]))
            read = [(array, target) for array, (_, target) in zip(arrays, batch, strict=True) if array is not None]
            if features is not None and read:
                inputs = frontend.tensor(torch.from_numpy(np.stack([array for array, _ in read])))
                for (_, target), row in zip(read, features(inputs).cpu().numpy(), strict=True):
                    write_atomic(target, partial(np.save, arr=row), durable=False)
    return [np.load(target) if target.exists() else None for target in targets]
