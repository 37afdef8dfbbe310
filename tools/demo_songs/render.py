"""From a recipe to a tagged Ogg Vorbis file, and all of them on several processes. Pure."""

from __future__ import annotations

import base64
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import soundfile
from mutagen.flac import Picture
from mutagen.ogg import OggPage
from mutagen.oggvorbis import OggVorbis

from tools.demo_songs.compose import compose
from tools.demo_songs.cover import SIZE_PX, draw_cover
from tools.demo_songs.mix import mix
from tools.demo_songs.oscillators import SAMPLE_RATE_HZ, Signal
from tools.demo_songs.pieces import PIECES
from tools.demo_songs.score import Recipe

ALBUM = "Moodplane Demo"

# libsndfile's scale: 0 is the best quality, 1 the smallest file; 0.45 is near 130 kbit/s.
_COMPRESSION = 0.45
# The Vorbis encoder keeps its frames on the stack, so that a long write overflows it.
_CHUNK_FRAMES = 16_384


def render_pieces(out_dir: Path, workers: int = 2, progress: Callable[[int, int], None] | None = None) -> list[Path]:
    """Compose and render every demo piece that is not there yet.

    A file appears under its name only once it is complete, so a run that was stopped is simply run again.

    Args:
        out_dir: where to; made if missing.
        workers: processes to use; 1 renders in this one.
        progress: called with (pieces there, pieces in all), once at the start and after each piece.

    Returns:
        All the files, in the order of the pieces.

    Raises:
        OSError: the folder cannot be written.
        BrokenProcessPool: a worker was killed; what was finished stays.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = [piece_path(out_dir, number) for number in range(len(PIECES))]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    done = len(paths) - len(missing)
    report = progress or (lambda there, total: None)
    report(done, len(paths))
    for _ in _rendered(out_dir, missing, workers):
        done += 1
        report(done, len(paths))
    return paths


def piece_path(out_dir: Path, number: int) -> Path:
    """Return where the piece at an index of `PIECES` is stored."""
    slug = re.sub(r"[^a-z0-9]+", "-", PIECES[number].title.lower()).strip("-")
    return out_dir / f"{number + 1:02d}-{slug}.ogg"


def render_piece(recipe: Recipe, path: Path, track_number: int) -> None:
    """Compose, mix, encode and tag one piece; `path` appears once it is complete.

    Args:
        recipe: what to render.
        path: the file to make, replaced if it exists.
        track_number: for the tags.

    Raises:
        OSError: the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        encode(mix(compose(recipe)), unfinished)
        _tag(unfinished, recipe, track_number)
        _fix_serial(unfinished, track_number)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def encode(sound: Signal, path: Path) -> None:
    """Write stereo sound, `(2, n_samples)` at 44,100 Hz, as Ogg Vorbis.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        _write_frames(np.ascontiguousarray(sound.T), path)
    except soundfile.LibsndfileError as error:
        raise OSError(f"The demo piece could not be written to {path}: {error.error_string}") from error


def _write_frames(frames: Signal, path: Path) -> None:
    with soundfile.SoundFile(
        path, "w", SAMPLE_RATE_HZ, 2, "VORBIS", format="OGG", compression_level=_COMPRESSION
    ) as file:
        for start in range(0, len(frames), _CHUNK_FRAMES):
            file.write(frames[start : start + _CHUNK_FRAMES])


def _rendered(out_dir: Path, numbers: Sequence[int], workers: int) -> Iterator[None]:
    """Render pieces and yield after each, in whatever order they are finished."""
    if workers <= 1 or len(numbers) <= 1:
        for number in numbers:
            _render_number(out_dir, number)
            yield
        return
    # Spawned, not forked: the caller may have threads, and a fork would copy their locks.
    context = get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(numbers)), context, initializer=_begin_worker) as pool:
        futures = [pool.submit(_render_number, out_dir, number) for number in numbers]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even if it is killed: an idle pool worker would wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _render_number(out_dir: Path, number: int) -> None:
    render_piece(PIECES[number], piece_path(out_dir, number), number + 1)


def _tag(path: Path, recipe: Recipe, track_number: int) -> None:
    tags = OggVorbis(path)
    tags["title"] = recipe.title
    tags["artist"] = recipe.artist
    tags["album"] = ALBUM
    tags["genre"] = recipe.genre
    tags["date"] = str(recipe.year)
    tags["tracknumber"] = str(track_number)
    tags["metadata_block_picture"] = base64.b64encode(_picture(recipe).write()).decode("ascii")
    tags.save()


def _picture(recipe: Recipe) -> Picture:
    picture = Picture()
    picture.type = 3
    picture.mime = "image/png"
    picture.desc = "Cover"
    picture.width = picture.height = SIZE_PX
    picture.depth = 8
    picture.data = draw_cover(recipe.artist, recipe.title)
    return picture


def _fix_serial(path: Path, serial: int) -> None:
    """Replace the stream's random serial number, so that the same piece is always the same bytes.

    The catalog knows songs by the hash of their bytes: without this, rendering the demo anew would double it.
    """
    pages = []
    with path.open("rb") as file:
        size = path.stat().st_size
        while file.tell() < size:
            page = OggPage(file)
            page.serial = serial
            pages.append(page.write())
    path.write_bytes(b"".join(pages))
