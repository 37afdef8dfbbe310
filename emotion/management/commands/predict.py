"""`manage.py predict PATH... --csv out.csv|-`: analyse files without touching the database."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

COLUMNS = ["path", "quadrant", "p_q1", "p_q2", "p_q3", "p_q4", "valence", "arousal", "model_version"]
AUDIO_SUFFIXES = {".mp3", ".flac", ".ogg", ".oga", ".opus", ".wav", ".aif", ".aiff", ".m4a", ".mp4", ".aac"}


class Command(BaseCommand):
    help = "Print the quadrant of audio files, or of every audio file below folders, as CSV."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--csv", default="-", metavar="FILE", help="Where the table goes; - is standard output.")
        parser.add_argument("--weights", type=Path, default=settings.MOODPLANE_WEIGHTS)
        parser.add_argument("--device", default=settings.MOODPLANE_DEVICE, help="auto, cpu, cuda or cuda:1.")
        parser.add_argument("--engine", default=settings.MOODPLANE_ENGINE, choices=["auto", "torch", "openvino"])

    def handle(self, *args: Any, **options: Any) -> None:
        from emotion.exceptions import AudioUnreadableError, EmotionError
        from emotion.inference.predict import Predictor

        if options["weights"] is None:
            raise CommandError("There are no model weights; give --weights, or train with manage.py train.")
        files = list(_files(options["paths"]))
        try:
            predictor = Predictor.load(options["weights"], engine=options["engine"], device=options["device"])
        except EmotionError as error:
            raise CommandError(str(error)) from error
        failed = 0
        is_stdout = options["csv"] == "-"
        with (
            nullcontext(sys.stdout)
            if is_stdout
            else Path(options["csv"]).open("w", newline="", encoding="utf-8") as out
        ):
            table = csv.writer(out, lineterminator="\n")
            table.writerow(COLUMNS)
            results = zip(files, predictor.predict(files), strict=True)
            for path, result in tqdm(results, total=len(files), unit="song", disable=not sys.stderr.isatty()):
                if isinstance(result, AudioUnreadableError):
                    failed += 1
                    self.stderr.write(f"{path}: {result}")
                    continue
                rounded = [f"{number:.6f}" for number in (*result.probabilities, result.valence, result.arousal)]
                table.writerow([path, result.quadrant.name, *rounded, predictor.card.version])
                out.flush()
        if failed:
            raise CommandError(f"{failed} of {len(files)} files could not be analysed.")


def _files(paths: list[Path]) -> Iterator[Path]:
    """Yield files as given, and in folders those with an audio suffix, in a stable order."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in AUDIO_SUFFIXES)
        else:
            yield path
