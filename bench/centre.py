"""How far from the middle of what plays a song is heard, over real songs in twelve encodings; and what damage does.

Run: python bench/centre.py FOLDER [--damage]. For each song of the folder and each encoding of `tests.encodings`: the
window that is heard is looked for in the decoded song, and the place where it begins is compared with that of the
middle 24 s. Prints the largest and the median error of each encoding, and that of the length. With `--damage`, a table
in Markdown: a chirp of a minute in every encoding after everything that `tests.encodings` does to files.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import av
import numpy as np
import soxr
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from catalog.exceptions import FileRejectedError
from catalog.files.probe import probe
from catalog.files.recording import LEAST_SHARE, WINDOW_S, Recording
from emotion.signal.audio import SAMPLE_RATE_HZ, read_window_at
from tests.encodings import DAMAGES, ENCODINGS, chirp, encode, second_of

CHIRP_S = 60.0


def sound_of(path: Path) -> tuple[NDArray[np.float32], int]:
    """Decode a song whole, in stereo, by FFmpeg alone: `(n_samples, 2)` and its rate."""
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        rate_hz = track.codec_context.sample_rate
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate_hz)
        pieces = [each.to_ndarray() for frame in container.decode(track) for each in resampler.resample(frame)]
    return np.concatenate(pieces, axis=1).T.astype(np.float32), rate_hz


def begins_s(whole: NDArray[np.float32], part: NDArray[np.float32]) -> float:
    """Return where a part lies in a recording, both at 22,050 Hz, by their correlation."""
    size = 1 << int(np.ceil(np.log2(len(whole) + len(part))))
    match = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    place = int(match[: len(whole)].argmax())
    return place / SAMPLE_RATE_HZ


def centres(folder: Path) -> None:
    songs = sorted(path for path in folder.iterdir() if path.suffix in (".ogg", ".opus", ".mp3", ".flac"))
    errors: dict[str, list[tuple[float, float]]] = {name: [] for name in ENCODINGS}
    with tempfile.TemporaryDirectory() as scratch:
        for song in songs:
            stereo, rate_hz = sound_of(song)
            whole = soxr.resample(stereo.mean(axis=1), rate_hz, SAMPLE_RATE_HZ, quality="HQ")
            middle_s = max(0.0, len(whole) / SAMPLE_RATE_HZ - WINDOW_S) / 2
            for name, how in ENCODINGS.items():
                sound = soxr.resample(stereo, rate_hz, how.rate_hz, quality="HQ") if rate_hz != how.rate_hz else stereo
                path = encode(Path(scratch) / f"song.{how.suffix}", np.clip(sound, -1, 1).astype(np.float32), name)
                window = read_window_at(path, 0.5)
                length_s = probe(path).duration_s - len(whole) / SAMPLE_RATE_HZ
                errors[name].append((abs(begins_s(whole, window.waveform) - middle_s), abs(length_s)))
    print(f"{len(songs)} songs. Error of the centre: largest, median; of the length: largest, all in seconds.")
    for name, found in errors.items():
        places, lengths = np.array(found).T
        print(f"{name}: {places.max():.3f}, {np.median(places):.3f}; {lengths.max():.3f}")
    print(f"Largest of all: {max(place for found in errors.values() for place, _ in found):.3f} s.")


def damages() -> None:
    print(f"| | {' | '.join(ENCODINGS)} |")
    print("|---" * (len(ENCODINGS) + 1) + "|")
    with tempfile.TemporaryDirectory() as scratch:
        files = {
            name: encode(Path(scratch) / name, chirp(CHIRP_S, how.rate_hz), name).read_bytes()
            for name, how in ENCODINGS.items()
        }
        for damage, (change, _share) in DAMAGES.items():
            cells = [_cell(Path(scratch) / "song", change(data)) for data in files.values()]
            print(f"| {damage} | {' | '.join(cells)} |")


def _cell(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    try:
        stored_s = probe(path).duration_s
        with Recording(path) as recording:
            stretch = recording.window(0.5, WINDOW_S)
            rate_hz = recording.sample_rate_hz
    except FileRejectedError as error:
        return error.code
    first, last = (second_of(part, rate_hz) for part in (stretch.mono[: 2 * rate_hz], stretch.mono[-2 * rate_hz :]))
    share = stretch.n_heard / len(stretch.mono)
    assert share >= LEAST_SHARE
    missing = f", {100 * (1 - share):.0f} %" if share < 0.995 else ""
    return f"{stored_s:.1f}: {first - 1:.0f}–{last + 1:.0f}{missing}"


if __name__ == "__main__":
    if "--damage" in sys.argv:
        damages()
    else:
        centres(Path(sys.argv[1]))
