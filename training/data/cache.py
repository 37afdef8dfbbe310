"""What front ends make of clips, on disk, keyed by the audio's content and the whole configuration.

One folder per configuration holds `images`, memory-mapped rows of numbers, and `index`, the SHA-256 of the audio of
each row. The index names a row only when the row is on the disk, so a build that stops at any point leaves a valid
cache, from which the next one continues.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from tqdm import tqdm

from catalog.core.files import digest
from catalog.core.wording import file_size
from emotion.exceptions import AudioUnreadableError
from emotion.signal.audio import read_window, read_window_at
from emotion.zoo.frontends import Chunked, FrontEnd, MelConfig, log_mel_image
from training.exceptions import TrainingError

# The centre window is the paper's, the one served and the one evaluated; the first is for training only.
CENTRE = 0.5
PLACES = (CENTRE, 0.0)

_DIGEST_BYTES = 32
# Rows between two waits for the disk: what a killed build may have to make again.
_BATCH = 16
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAMED = 5
# A vector with more numbers than this is a waveform.
_SAMPLES = 10_000
_HALF: np.dtype[Any] = np.dtype(np.float16)

_Stack = NDArray[Any] | AudioUnreadableError
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
logger = logging.getLogger(__name__)


class ImageCacheError(TrainingError):
    """No room for the images, on the disk or on the device."""

    code = "image_cache"


class Images:
    """A read-only array `(n, n_places, *shape)`, read from the memory map when indexed; images are float16 in [0, 1].

    An indexed part is a copy.
    """

    __slots__ = ("_rows", "_stored")

    def __init__(self, stored: NDArray[Any], rows: NDArray[np.int64]) -> None:
        self._stored = np.asarray(stored)
        self._rows = rows

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._stored.dtype

    @property
    def ndim(self) -> int:
        return self._stored.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._rows), *self._stored.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, rest = slice(None), [slice(None)] * (self.ndim - 1 - len(rest)) + rest
        rows = self._rows[first]
        if isinstance(first, slice) and any(isinstance(part, (list, np.ndarray)) for part in rest):
            # A slice has become an array of rows, which must not be paired off with the second array.
            return self._stored[rows][(slice(None), *rest)]
        part = self._stored[(rows, *rest)]
        return part if rows.ndim else part.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("The file has the images in another order: an array of them is a copy.")
        return self._stored[self._rows].astype(dtype or self.dtype, copy=False)


def images_of(
    paths: Sequence[Path],
    *,
    config: MelConfig,
    cache_dir: Path,
    workers: int = 2,
    places: Sequence[float] = PLACES,
    padded: bool = False,
) -> Images:
    """Return the images of audio files, computing those that the cache does not hold.

    The centre window is that of serving, which avoids silence; its image differs only by rounding to half precision. A
    clip shorter than the window has the same image at every place; it is padded with silence or, as in serving,
    repeated. Places are 0 first, 0.5 centre, 1 last.

    Returns:
        `(n, n_places, *config.image_shape)` float16 in [0, 1].

    Raises:
        ImageCacheError: The disk is full; the images made until then stay.
    """
    make = partial(_image_stack, config=config, places=tuple(places), padded=padded)
    kind = digest(repr((tuple(map(float, places)), padded)).encode())[:8]
    store = _Store(cache_dir / f"{config.fingerprint}-{kind}", (len(places), *config.image_shape))
    return _filled(store, paths, make, workers)


def prepared_of(paths: Sequence[Path], *, front_end: FrontEnd, cache_dir: Path, workers: int = 2) -> Images:
    """Return what a front end makes of the centre of audio files, computing what the cache does not hold.

    Each chunk of a chunked front end is a place. Features keep float32; spectrograms and waveforms are rounded to
    float16.

    Returns:
        `(n, n_places, *prepared_shape)`.

    Raises:
        ImageCacheError: The disk is full; what was made until then stays.
    """
    shape = front_end.prepared_shape if isinstance(front_end, Chunked) else (1, *front_end.prepared_shape)
    dtype = np.dtype(np.float32 if len(shape) == 2 and shape[1] < _SAMPLES else _HALF)
    numbers = {"name": front_end.name, **front_end.to_json()}
    if weights := [digest(file) for file in front_end.weights()]:
        numbers["weights"] = weights
    kind = digest(json.dumps(numbers, sort_keys=True).encode())[:12]
    store = _Store(cache_dir / f"{front_end.name}-{kind}", shape, dtype)
    return _filled(store, paths, partial(_prepared, front_end=front_end, dtype=dtype), workers)


def _prepared(path: Path, *, front_end: FrontEnd, dtype: np.dtype[Any]) -> _Stack:
    try:
        made = front_end.prepare(read_window(path, window_s=front_end.window_s).waveform)
    except AudioUnreadableError as error:
        return AudioUnreadableError(error.code, f"{path}: {error}")
    return (made if isinstance(front_end, Chunked) else made[None]).astype(dtype)


def _filled(store: _Store, paths: Sequence[Path], make: Callable[[Path], _Stack], workers: int) -> Images:
    digests = list(in_threads(content_digest, paths, workers=workers, desc="files"))
    with store.locked():
        known = store.rows()
        missing = {digest: path for digest, path in zip(digests, paths, strict=True) if digest not in known}
        store.add(missing, make, workers)
    rows = store.rows()
    return Images(store.view(len(rows)), np.array([rows[digest] for digest in digests], np.int64))


def to_device(images: Images | NDArray[np.float16], device: torch.device | str) -> Tensor:
    """Load every image into a device's memory, `(n, n_places, height, width)` float16, a few at a time.

    Raises:
        ImageCacheError: They do not fit.
    """
    device = torch.device(device)
    needed, free = math.prod(images.shape) * images.dtype.itemsize, _free_bytes(device)
    if needed > free:
        raise ImageCacheError(
            f"The {len(images)} clips' images need {file_size(needed)}, but {device} has {file_size(free)} free. "
            "Read them from the memory map, or use fewer places or clips."
        )
    loaded = torch.empty(images.shape, dtype=torch.float16, device=device)
    for start in range(0, len(images), 256):
        part = np.array(images[start : start + 256])
        loaded[start : start + len(part)] = torch.from_numpy(part)
    return loaded


def in_threads(
    work: Callable[[_Item], _Result], items: Sequence[_Item], *, workers: int, desc: str
) -> Iterator[_Result]:
    """Yield the result for each item, in order, with a progress bar; stopping early leaves nothing running."""
    # Left alone, the BLAS of every thread starts a thread per core, and they spend most of their time waiting.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        try:
            yield from tqdm(pool.map(work, items), total=len(items), desc=desc, mininterval=5, disable=not items)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def content_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    try:
        return bytes.fromhex(digest(path))
    except FileNotFoundError as error:
        raise AudioUnreadableError("missing", f"{path} is not there.") from error


def _image_stack(path: Path, *, config: MelConfig, places: tuple[float, ...], padded: bool) -> _Stack:
    try:
        stack: list[NDArray[np.float16]] = []
        for place in places:
            if place == CENTRE:
                window = read_window(path, window_s=config.window_s)
            else:
                window = read_window_at(path, place, window_s=config.window_s)
            missing = round(config.window_s * config.sample_rate_hz) - len(window.waveform)
            waveform = np.pad(window.waveform, (0, missing)) if padded and missing > 0 else window.waveform
            stack.append(log_mel_image(waveform, config).astype(np.float16))
            if window.is_partial:
                return np.stack(stack[-1:] * len(places))
        return np.stack(stack)
    except AudioUnreadableError as error:
        return AudioUnreadableError(error.code, f"{path}: {error}")


@dataclass(frozen=True, slots=True)
class _Store:
    folder: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any] = _HALF

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @contextmanager
    def locked(self) -> Iterator[None]:
        # One build at a time; the lock of a killed process opens by itself.
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.warning("Another process makes images in %s; waiting for it.", self.folder)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def rows(self) -> dict[bytes, int]:
        # An entry or a row that was cut off does not count.
        index, images = self.folder / "index", self.folder / "images"
        if not index.exists():
            return {}
        content = index.read_bytes()
        whole = min(len(content) // _DIGEST_BYTES, images.stat().st_size // self.row_bytes)
        return {content[row * _DIGEST_BYTES : (row + 1) * _DIGEST_BYTES]: row for row in range(whole)}

    def view(self, n_rows: int) -> NDArray[Any]:
        if not n_rows:
            return np.zeros((0, *self.shape), self.dtype)
        return np.memmap(self.folder / "images", self.dtype, "r", shape=(n_rows, *self.shape))

    def add(self, missing: dict[bytes, Path], make: Callable[[Path], _Stack], workers: int) -> None:
        needed = len(missing) * self.row_bytes
        if needed > shutil.disk_usage(self.folder).free:
            raise self.full(f"{len(missing)} clips' images need {file_size(needed)} and were not begun")
        silent: list[AudioUnreadableError] = []
        batch: dict[bytes, NDArray[Any]] = {}
        made = in_threads(make, list(missing.values()), workers=workers, desc="images")
        for number, (key, stack) in enumerate(zip(missing, made, strict=True), start=1):
            if isinstance(stack, AudioUnreadableError):
                silent.append(stack)
            else:
                batch[key] = stack
            if len(batch) == _BATCH or number == len(missing):
                self.append(batch)
                batch = {}
        if silent:
            more = f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else ""
            sentences = " ".join(str(error) for error in silent[:_NAMED])
            raise AudioUnreadableError(silent[0].code, f"{len(silent)} files have no readable audio{more}: {sentences}")

    def append(self, batch: dict[bytes, NDArray[Any]]) -> None:
        # Only while locked; on a full disk none of these rows stays.
        n_rows = len(self.rows())
        images, index = self.folder / "images", self.folder / "index"
        try:
            _write_at(images, n_rows * self.row_bytes, b"".join(stack.tobytes() for stack in batch.values()))
            _write_at(index, n_rows * _DIGEST_BYTES, b"".join(batch))
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            # Names go before the rows they name, in case this is the last thing that the process does.
            _write_at(index, n_rows * _DIGEST_BYTES, b"")
            _write_at(images, n_rows * self.row_bytes, b"")
            raise self.full(f"{n_rows} clips' images are kept") from error

    def full(self, state: str) -> ImageCacheError:
        free = shutil.disk_usage(self.folder).free
        return ImageCacheError(
            f"The disk of {self.folder} is full ({file_size(free)} free): {state}. Free some space or choose another "
            "work folder, and run again."
        )


def _write_at(path: Path, offset: int, content: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(descriptor, offset)
        left = memoryview(content)
        while left:
            written = os.pwrite(descriptor, left, offset)
            left, offset = left[written:], offset + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
