"""The whole table of the zoo on one GPU, away from the data sets: `python -m tools.zoo_on_gpu`.

`prepare` writes one file that is small enough to carry: a data set in its own layout, the middle of each clip as Opus.
It is sound and not spectra, because half of the systems hear waveforms and each has a front end of its own. `run`
trains there every system that the table lacks, in the time that there is; repeated, it resumes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import av
import django
import numpy as np
from django.core.management import CommandError, call_command

from emotion.exceptions import EmotionError
from emotion.signal.audio import SAMPLE_RATE_HZ, WINDOW_S, read_window
from training.data.cache import in_threads
from training.datasets import DATASETS, DatasetError
from training.exceptions import TrainingError
from training.recipes.zoo.systems import system_names

LIMIT_BYTES = 60_000_000
# Opus knows no 22,050 Hz; the taggers hear up to 8 kHz, the model up to 11.
_RATE_HZ = 24_000
# Encoders need a little before and after what will be cut out.
_MARGIN_S = 0.25
_TABLES = (".csv", ".json", ".txt", ".tsv")


def prepare(path: Path, name: str, data_root: Path, work_dir: Path, bit_rate: int) -> None:
    """Write a data set's labels and the windows of its clips.

    Raises:
        TrainingError: The file would be too large to carry.
        training.datasets.DatasetError: The data set is not there.
    """
    clips = [clip for clip in DATASETS[name].load(data_root / name, work_dir) if clip.quadrant is not None]
    folder = data_root / name
    with tempfile.TemporaryDirectory() as made:
        out = Path(made) / name

        def shorten(audio: Path) -> None:
            target = (out / audio.relative_to(folder)).with_suffix(".opus")
            target.parent.mkdir(parents=True, exist_ok=True)
            write_window(audio, target, bit_rate)

        for _ in in_threads(shorten, sorted({clip.audio for clip in clips}), workers=os.cpu_count() or 1, desc=name):
            pass
        for table in (file for file in folder.rglob("*") if file.suffix in _TABLES):
            target = out / table.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(table.read_bytes())
        with tarfile.open(path, "w") as tar:
            tar.add(out, name)
    size = path.stat().st_size
    print(f"{path}: {size / 1e6:.1f} MB, {len(clips)} clips.")
    if size > LIMIT_BYTES:
        raise TrainingError(f"{path} is larger than {LIMIT_BYTES / 1e6:.0f} MB; ask for fewer bits.")


def write_window(audio: Path, target: Path, bit_rate: int) -> None:
    """Write the window of a recording that every system hears, mono, as Opus."""
    window = read_window(audio, window_s=WINDOW_S + 2 * _MARGIN_S).waveform
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libopus", rate=_RATE_HZ, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(window[None]), format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE_HZ)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def run(
    path: Path, out: Path, *, systems: Sequence[str], protocols: Sequence[str], minutes: float, options: Sequence[str]
) -> None:
    """Train what the table lacks with the options of `manage.py zoo run`, and leave `zoo.json` in `out`.

    The sentence of a system that cannot be trained is printed, and the next one begins.
    """
    started = time.monotonic()
    data = out / "data"
    if not data.exists():
        # Renamed when it is whole: what a killed extraction leaves is never taken for the data set.
        partial = out / "data.part"
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(path) as tar:
            tar.extractall(partial, filter="data")
        partial.rename(data)
    [name] = [each.name for each in data.iterdir()]
    own = ["--data", str(data), "--data-sets", name, "--work", str(out / "work"), "--runs", str(out / "runs")]
    for protocol in protocols:
        for system in systems:
            if time.monotonic() - started > 60 * minutes:
                print("The time is over; the same command goes on.")
                return
            row = ["--protocol", protocol, "--results", str(out / "zoo.json")]
            try:
                call_command("zoo", "run", system, *row, *own, *options)
            except CommandError as error:
                print(error)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare or run, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.zoo_on_gpu", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    prepares = commands.add_parser("prepare", help="Write the file, on the machine with the data set.")
    prepares.add_argument("carry", type=Path)
    prepares.add_argument("--data-set", default="4qaed")
    prepares.add_argument("--data", type=Path, default=Path(os.environ.get("MER_DATA", "../shared/data")))
    prepares.add_argument("--work", type=Path, default=Path("runs/work"), help="Rendered audio.")
    prepares.add_argument("--bit-rate", type=int, default=18_000, help="Bits a second.")
    runs = commands.add_parser("run", help="Train, on the machine with the GPU; repeated, it resumes.")
    runs.add_argument("carry", type=Path)
    runs.add_argument("out", type=Path)
    runs.add_argument("systems", nargs="*", help="Systems to train; none are all.")
    runs.add_argument("--protocols", nargs="+", default=["artist5", "stratified5"])
    runs.add_argument("--minutes", type=float, default=14.0, help="No system is begun after them.")
    runs.add_argument("--budget", type=float, default=0.0, help="Minutes for a system; 0: the paper's own.")
    runs.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1.")
    given = parser.parse_args(arguments)
    django.setup()
    try:
        if given.command == "prepare":
            prepare(given.carry, given.data_set, given.data, given.work, given.bit_rate)
            return
        run(
            given.carry,
            given.out,
            systems=given.systems or system_names(),
            protocols=given.protocols,
            minutes=given.minutes,
            options=["--budget", str(given.budget), "--device", given.device],
        )
    except (OSError, ValueError, EmotionError, TrainingError, DatasetError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mer_site.settings")
    main()
