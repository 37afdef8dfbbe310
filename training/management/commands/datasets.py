"""`manage.py datasets [NAME ...] [--check] [--json]`: the labelled datasets here, and their missing files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from emotion.inference.quadrants import Quadrant
from training.datasets import DATASETS, Dataset
from training.datasets.base import Inventory, take_inventory

_SHOWN_PROBLEMS = 5


class Command(BaseCommand):
    help = "List the labelled datasets and what is available; exit with 1 if a named one is incomplete."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="By default all.")
        parser.add_argument("--data", type=Path, default=settings.MER_DATA, help="Folder of the datasets (MER_DATA).")
        parser.add_argument("--work", type=Path, default=Path("runs/work"), help="Rendered audio.")
        parser.add_argument("--check", action="store_true", help="Open every audio file; render MIDI files.")
        parser.add_argument("--json", action="store_true", help="Print everything as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        inventories = [self._inventory(dataset, options) for dataset in _chosen(options["names"])]
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in inventories], indent=2, default=str))
        else:
            self._table(inventories, options["data"])
        broken = [one.name for one in inventories if one.problems]
        if options["names"] and broken:
            raise CommandError(f"Incomplete: {', '.join(broken)}.")

    def _inventory(self, dataset: Dataset, options: dict[str, Any]) -> Inventory:
        def check(dataset: Dataset, n_files: int) -> list[str]:
            # Without a terminal, as in a log, there is no bar.
            with tqdm(total=n_files, desc=dataset.name, disable=None) as bar:
                return dataset.validate(options["data"], options["work"], seen=lambda _: bar.update())

        return take_inventory(dataset, options["data"], options["work"], check=check if options["check"] else None)

    def _table(self, inventories: list[Inventory], root: Path) -> None:
        self.stdout.write(f"In {root}, each in a folder of the same name:")
        quadrants = "".join(f"{quadrant.name:>5}" for quadrant in Quadrant)
        self.stdout.write(f"{'dataset':14} {'clips':>6} {'audio':>6} {quadrants} {'tags':>5}  licence")
        for one in inventories:
            self.stdout.write(_line(one))
            if one.to_render:
                self.stdout.write(f"    {one.to_render} clips are rendered from MIDI when they are first needed.")
            for problem in one.problems[:_SHOWN_PROBLEMS]:
                self.stdout.write(f"    {problem}")
            if len(one.problems) > _SHOWN_PROBLEMS:
                self.stdout.write(f"    ... and {len(one.problems) - _SHOWN_PROBLEMS} more; --json names them all.")


def _line(one: Inventory) -> str:
    if not one.is_here:
        return f"{one.name:14} not here"
    counts = "".join(f"{count or '-':>5}" for count in (one.quadrants or {}).values())
    return f"{one.name:14} {one.clips:6} {one.with_audio:6} {counts} {one.tags or '-':>5}  {one.licence}"


def _chosen(names: list[str]) -> list[Dataset]:
    unknown = sorted(set(names) - set(DATASETS))
    if unknown:
        raise CommandError(f"No dataset {', '.join(unknown)}; available: {', '.join(DATASETS)}.")
    return [DATASETS[name] for name in names] or list(DATASETS.values())
