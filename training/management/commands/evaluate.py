"""`manage.py evaluate [RUN | WEIGHTS]`: scores of a run as tables and a page, or of a checkpoint by serving it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.core.files import write_atomic
from emotion.exceptions import EmotionError
from emotion.inference.checkpoint import Card, read_card, write_card
from emotion.inference.predict import device_of
from emotion.zoo.frontends import MelConfig
from training.data.splits import Protocol
from training.datasets import DatasetError
from training.evaluation.comparison import SystemComparison, compare_systems
from training.evaluation.metrics import score_by_dataset
from training.evaluation.report.page import report_page
from training.evaluation.report.plots import example_images
from training.evaluation.report.run import (
    Run,
    all_labels,
    clips_of,
    duplicates_of,
    main_protocol,
    read_run,
    scores_by_protocol,
)
from training.evaluation.report.tables import Table, card_page, run_tables, scores_table
from training.exceptions import TrainingError
from training.recipes.distilled_b3 import cards


class Command(BaseCommand):
    help = (
        "Score a run from its predictions for its test clips, or a checkpoint on its held-out clips, from audio files "
        "through the code that serves."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path", nargs="?", type=Path, default=settings.MOODPLANE_WEIGHTS, help="A run's folder, or a weights file."
        )
        parser.add_argument("--data", type=Path, default=settings.MER_DATA, help="Folder of the datasets (MER_DATA).")
        parser.add_argument("--work", type=Path, default=Path("runs/work"), help="Rendered audio.")
        parser.add_argument("--engine", default=settings.MOODPLANE_ENGINE, choices=["auto", "torch", "openvino"])
        parser.add_argument("--device", default=settings.MOODPLANE_DEVICE, help="auto, cpu, cuda or cuda:1.")
        parser.add_argument(
            "--write-card", action="store_true", help="Store these scores in the card, and write README.md next to it."
        )
        parser.add_argument(
            "--curves", action="store_true", help="Compare the emotion curves of a checkpoint with drawn ones instead."
        )
        parser.add_argument("--json", type=Path, help="Also write the scores, confusion matrices included, as JSON.")
        parser.add_argument("--html", type=Path, help="Write the run's report as one self-contained page.")
        parser.add_argument(
            "--against", type=Path, nargs="+", default=[], metavar="RUN", help="Other runs, compared on the same clips."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["path"]
        if path is None:
            raise CommandError("There are no model weights; name some, or train with manage.py train.")
        try:
            device_of(options["device"])
            if path.is_dir():
                self._run(path, options)
            else:
                self._weights(path, options)
        except (OSError, ValueError, KeyError, EmotionError, DatasetError, TrainingError) as error:
            raise CommandError(str(error)) from error

    def _weights(self, weights: Path, options: dict[str, Any]) -> None:
        if options["html"] or options["against"]:
            raise ValueError(f"{weights} is a weights file; --html and --against need the folder of a run.")
        how = {"engine": options["engine"], "device": options["device"], "log": self.stderr.write}
        where = {"data_root": options["data"], "work_dir": options["work"]}
        if options["curves"]:
            self._curves(weights, cards.evaluate_curves(weights, **where, **how), options)
            return
        keep = weights.with_suffix(".predictions.npz") if options["write_card"] else None
        scores = cards.evaluate(weights, **where, **how, keep=keep)
        by_dataset = {name: each.to_json() for name, each in scores.items()}
        self.stdout.write(scores_table(by_dataset))
        if options["json"]:
            write_atomic(options["json"], json.dumps(by_dataset, indent=1) + "\n")
        if options["write_card"]:
            card = read_card(weights)
            card.facts["test"]["model"] = by_dataset
            self._write_page(card, weights)

    def _curves(self, weights: Path, table: Table, options: dict[str, Any]) -> None:
        self.stdout.write(f"{table.note}\n\n{table.to_markdown()}")
        if options["json"]:
            write_atomic(options["json"], json.dumps(table.to_json(), indent=1) + "\n")
        if options["write_card"]:
            card = read_card(weights)
            others = [each for each in card.facts.get("tables", []) if each["title"] != table.title]
            card.facts["tables"] = [*others, table.to_json()]
            self._write_page(card, weights)

    def _run(self, folder: Path, options: dict[str, Any]) -> None:
        run = read_run(folder)
        systems = self._systems(run, options["against"])
        if options["html"]:
            weights = _weights_of(run)
            mel = read_card(weights).frontend.image if weights else None
            clips = clips_of(run, data_root=options["data"], work_dir=options["work"])
            page = report_page(
                run,
                systems=systems,
                examples=example_images(run, mel or MelConfig(), clips),
                labels=all_labels(run, clips),
                duplicates=duplicates_of(run, clips, work_dir=options["work"]),
            )
            write_atomic(options["html"], page)
            self.stdout.write(f"The report is in {options['html']}.")
            if not len(run.predictions):
                return
        main_protocol(run.predictions)
        for table in run_tables(run.predictions, systems):
            self.stdout.write(f"\n{table.title}\n\n{table.to_markdown()}")
        if options["json"]:
            write_atomic(options["json"], json.dumps(scores_by_protocol(run.predictions), indent=1) + "\n")
        if options["write_card"]:
            self._write_card(run)

    def _systems(self, run: Run, against: list[Path]) -> list[SystemComparison]:
        others = {path.name: read_run(path).predictions for path in against}
        if run.teacher is not None:
            others["teacher"] = run.teacher
        protocol = main_protocol(run.predictions) if others else ""
        return compare_systems(run.predictions, others, protocol=protocol)

    def _write_card(self, run: Run) -> None:
        weights = _weights_of(run)
        if weights is None:
            raise ValueError(f"{run.folder} has no weights with a card, so there is no card to write to.")
        card = read_card(weights)
        held_out = run.predictions.where(run.predictions.protocol == Protocol.HELD_OUT)
        if len(held_out):
            by_dataset = {name: each.to_json() for name, each in score_by_dataset(held_out).items()}
            card.facts.setdefault("test", {})["model"] = by_dataset
        # Tables that the recipe wrote take precedence.
        card.facts.setdefault("tables", [table.to_json() for table in run_tables(run.predictions)])
        self._write_page(card, weights)

    @staticmethod
    def _write_page(card: Card, weights: Path) -> None:
        write_card(card, weights)
        # In a folder of several models, all but one have a page of their own name.
        own = weights.with_suffix(".md")
        write_atomic(own if own.is_file() else weights.parent / "README.md", card_page(card))


def _weights_of(run: Run) -> Path | None:
    found = [path for path in sorted(run.folder.glob("*.safetensors")) if path.with_suffix(".json").is_file()]
    return found[-1] if found else None
