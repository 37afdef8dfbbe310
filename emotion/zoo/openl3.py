"""OpenL3 embeddings of a song, by a network that the user brings as an ONNX file.

The file named by the environment variable MOODPLANE_OPENL3 is a port of OpenL3 (music, 512 numbers) whose input is
`(n, 1, 48000)`, seconds of mono audio at 48 kHz, and whose output is `(n, 512)`. A song is the mean over its seconds.

Source: Cramer et al. (2019), Look, listen, and learn more: design choices for deep audio embeddings; Louro et al.,
section 3.3.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from emotion.exceptions import CheckpointError
from emotion.signal.audio import SAMPLE_RATE_HZ

VARIABLE = "MOODPLANE_OPENL3"
N_FEATURES = 512
_RATE_HZ = 48_000


def openl3_file() -> Path:
    """Return the file that the user named.

    Raises:
        CheckpointError: None is named, or it is not there.
    """
    file = Path(os.environ.get(VARIABLE, ""))
    if not file.is_file():
        raise CheckpointError(
            f"OpenL3's weights do not come with Moodplane: name an ONNX file of them in {VARIABLE} "
            f"({os.environ.get(VARIABLE) or 'it is empty'})."
        )
    return file


def openl3_means(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean embedding `(512,)` of a window `(n_samples,)` at 22,050 Hz of at least a second.

    Raises:
        CheckpointError: No file is named, or it is no such network.
    """
    file = openl3_file()
    at_48k = librosa.resample(waveform, orig_sr=SAMPLE_RATE_HZ, target_sr=_RATE_HZ, res_type="soxr_hq")
    seconds = at_48k[: len(at_48k) // _RATE_HZ * _RATE_HZ].reshape(-1, 1, _RATE_HZ)
    [embeddings] = _network(file, file.stat().st_mtime_ns)(seconds).values()
    if embeddings.shape != (len(seconds), N_FEATURES):
        raise CheckpointError(f"{file} gives {embeddings.shape} for {len(seconds)} seconds, not {N_FEATURES} numbers.")
    return np.asarray(embeddings.mean(axis=0), np.float32)


@lru_cache(maxsize=1)
def _network(file: Path, _changed_ns: int) -> Any:
    # Imported here because it takes a second, and few have this file.
    import openvino

    try:
        return openvino.Core().compile_model(str(file), "CPU")
    except RuntimeError as error:
        raise CheckpointError(f"{file} is not a network that OpenVINO can read: {error}") from error
