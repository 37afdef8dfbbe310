"""From a recipe to a tagged Ogg Opus file; all of them, and the manifest that lists them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypedDict

import av
import numpy as np
from mutagen.flac import Picture
from mutagen.oggopus import OggOpus

from tools.demo_songs.compose import compose
from tools.demo_songs.cover import SIZE_PX, draw_cover
from tools.demo_songs.mix import mix
from tools.demo_songs.oscillators import SAMPLE_RATE_HZ, Signal
from tools.demo_songs.pieces import PIECES
from tools.demo_songs.score import Recipe

ALBUM = "Moodplane Demo"
LICENCE = "CC0-1.0"
MANIFEST = "manifest.json"

_BITS_PER_S = 48_000
_FRAME_SAMPLES = SAMPLE_RATE_HZ // 50


class Entry(TypedDict):
    """One line of the manifest: the file, its title, the quadrant it is meant for (1 to 4), its length and digest."""

    file: str
    title: str
    quadrant: int
    seconds: float
    sha256: str


def render_pieces(folder: Path) -> list[Entry]:
    """Compose and render every piece and write the manifest next to them.

    Args:
        folder: where to; made if missing.

    Returns:
        The manifest.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        entries = list(pool.map(partial(render_piece, folder), range(len(PIECES))))
    (folder / MANIFEST).write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
    return entries


def differences(folder: Path, entries: list[Entry]) -> Iterator[str]:
    """Yield a sentence for each entry that the manifest in a folder, or a file there, does not match."""
    there: list[Entry] = json.loads((folder / MANIFEST).read_text())
    if len(there) != len(entries):
        yield f"The manifest lists {len(there)} pieces; {len(entries)} were rendered."
    for kept, rendered in zip(there, entries, strict=False):
        if kept != rendered:
            yield f"{kept['file']}: the manifest says {kept}, but rendering gives {rendered}."
        if _digest(folder / kept["file"]) != kept["sha256"]:
            yield f"{kept['file']} is not the file of the manifest."


def piece_path(folder: Path, number: int) -> Path:
    """Return where the piece at an index of `PIECES` is stored."""
    slug = re.sub(r"[^a-z0-9]+", "-", PIECES[number].title.lower()).strip("-")
    return folder / f"{number + 1:02d}-{slug}.opus"


def render_piece(folder: Path, number: int) -> Entry:
    """Compose, mix, encode and tag the piece at an index of `PIECES`; a file there is replaced.

    Raises:
        OSError: the file cannot be written.
    """
    recipe, path = PIECES[number], piece_path(folder, number)
    sound = mix(compose(recipe))
    encode(sound, path)
    _tag(path, recipe, number + 1)
    return Entry(
        file=path.name,
        title=recipe.title,
        quadrant=recipe.quadrant,
        seconds=round(sound.shape[1] / SAMPLE_RATE_HZ, 1),
        sha256=_digest(path),
    )


def encode(sound: Signal, path: Path) -> None:
    """Write stereo sound, `(2, n_samples)` at 48,000 Hz, as Ogg Opus: the same sound always gives the same bytes.

    Raises:
        OSError: the file cannot be written.
    """
    # Bit-exact: neither the stream's serial number nor the encoder's version is random or recorded.
    with av.open(str(path), "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE_HZ, layout="stereo")
        stream.bit_rate = _BITS_PER_S
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.options = {"application": "audio", "vbr": "on", "frame_duration": "20"}
        for start in range(0, sound.shape[1], _FRAME_SAMPLES):
            block = np.ascontiguousarray(sound[:, start : start + _FRAME_SAMPLES].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout="stereo")
            frame.sample_rate = SAMPLE_RATE_HZ
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tag(path: Path, recipe: Recipe, track_number: int) -> None:
    tags = OggOpus(path)
    tags["title"] = recipe.title
    tags["artist"] = recipe.artist
    tags["album"] = ALBUM
    tags["genre"] = recipe.genre
    tags["date"] = str(recipe.year)
    tags["tracknumber"] = str(track_number)
    tags["license"] = LICENCE
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
