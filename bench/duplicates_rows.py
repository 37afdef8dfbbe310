"""How long it takes to look a song up by its sound in a large catalog, and what the fingerprints take on disk.

Run: python bench/duplicates_rows.py [songs]. A scratch folder takes the database and goes afterwards. The fingerprints
are made: two songs have a key in common as often as those of 4QAED, one pair in 280. Prints times of this machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from catalog.models import Song
    from emotion.models import SoundPrint

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

LOOKUPS = 200
PART = 10_000
# (128 * share)^2 / pool pairs of songs share a key.
_COMMON_SHARE, _COMMON_POOL = 0.1, 45_500


def main() -> None:
    from bench import scratch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs", nargs="?", type=int, default=100_000)
    asked = parser.parse_args()
    with scratch.installation("duplicates"):
        _measure(asked.songs)


def _measure(n_songs: int) -> None:
    from django.core.management import call_command
    from django.db import connection

    from catalog.models import Song
    from emotion.jobs.sounds import same_as
    from emotion.models import SoundPrint

    call_command("migrate", verbosity=0)
    begun = time.perf_counter()
    for songs, prints in _made(n_songs):
        stored = Song.objects.bulk_create(songs)
        for song, sound_print in zip(stored, prints, strict=True):
            sound_print.song = song
        SoundPrint.objects.bulk_create(prints)
    print(f"{n_songs:,} songs in {time.perf_counter() - begun:.0f} s")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        for name in ("emotion_soundprint", "sound_print_by_length"):
            cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [name])
            n_bytes = cursor.fetchone()[0]
            print(f"{name}: {n_bytes / 2**20:.0f} MiB, {n_bytes / n_songs:.0f} bytes a song")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ids = np.random.default_rng(7).choice(list(Song.objects.values_list("pk", flat=True)), LOOKUPS).tolist()
    spent = []
    for pk in ids:
        wall, cpu = time.perf_counter(), time.process_time()
        same_as(pk)
        spent.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
    wall_ms, cpu_ms = np.array(spent).T
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"lookup: median {np.median(wall_ms):.0f} ms ({np.median(cpu_ms):.0f} of CPU here), 95 % below "
        f"{np.percentile(wall_ms, 95):.0f} ms, at most {wall_ms.max():.0f} ms; {more / 1024:.0f} MB of memory"
    )
    print(f"  load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _made(n_songs: int) -> Iterator[tuple[list[Song], list[SoundPrint]]]:
    from catalog.models import Artist, Song
    from emotion.models import SoundPrint
    from emotion.signal.fingerprint import LOUDEST, N_KEYS, pack

    rng = np.random.default_rng(1)
    artist = Artist.objects.create(name="Ann", name_key="ann")
    # Of music, twice as many take as many bytes: they are not spread evenly.
    n_peaks = LOUDEST * 60
    packed = [
        pack(np.column_stack([np.sort(rng.integers(0, 5168, n_peaks)), rng.integers(0, 395, n_peaks)]).astype(np.int32))
        for _ in range(50)
    ]
    for start in range(0, n_songs, PART):
        numbers = range(start, min(start + PART, n_songs))
        drawn = rng.integers(-(2**31), 2**31, (len(numbers), N_KEYS))
        common = rng.integers(0, _COMMON_POOL, drawn.shape)
        keys = np.where(rng.random(drawn.shape) < _COMMON_SHARE, common, drawn)
        lengths_s = np.clip(rng.normal(230, 70, len(numbers)), 30, 900)
        songs = [
            Song(
                title=f"Song {i}",
                artist=artist,
                content_hash=f"{i:064x}",
                mime_type="audio/mpeg",
                size_bytes=1,
                duration_s=length_s,
                sample_rate_hz=44_100,
                channels=2,
                state=Song.State.ANALYSED,
            )
            for i, length_s in zip(numbers, lengths_s.tolist(), strict=True)
        ]
        prints = [
            SoundPrint(
                state=SoundPrint.DONE,
                duration_s=length_s,
                peaks_bytes=packed[i % 50],
                keys_bytes=row.astype("<i4").tobytes(),
            )
            for i, row, length_s in zip(numbers, keys, lengths_s.tolist(), strict=True)
        ]
        yield songs, prints


if __name__ == "__main__":
    main()
