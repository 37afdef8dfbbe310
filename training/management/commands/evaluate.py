"""`manage.py evaluate [WEIGHTS]`: score a checkpoint on the clips it never saw, through the serving code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Score a checkpoint on its held-out clips, from audio files through the code that serves."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("weights", nargs="?", type=Path, default=settings.MOODPLANE_WEIGHTS)
        parser.add_argument("--data", type=Path, default=settings.MER_DATA, help="Folder of the datasets (MER_DATA).")
        parser.add_argument("--work", type=Path, default=Path("runs/work"), help="Rendered audio.")
        parser.add_argument("--engine", default=settings.MOODPLANE_ENGINE, choices=["auto", "torch", "openvino"])
        parser.add_argument("--device", default=settings.MOODPLANE_DEVICE)
        parser.add_argument(
            "--write-card", action="store_true", help="Store these scores in the card, and write README.md beside it."
        )
        parser.add_argument("--json", type=Path, help="Also write the scores, confusion matrices included, as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        from emotion.checkpoint import read_card, write_card
        from emotion.exceptions import EmotionError
        from training import flagship
        from training.datasets import DatasetError
        from training.report import card_page, scores_table

        if options["weights"] is None:
            raise CommandError("There are no model weights; name some, or train with manage.py train.")
        try:
            scores = flagship.evaluate(
                options["weights"],
                data_root=options["data"],
                work_dir=options["work"],
                engine=options["engine"],
                device=options["device"],
                say=self.stderr.write,
            )
        except (OSError, ValueError, KeyError, EmotionError, DatasetError) as error:
            raise CommandError(str(error)) from error
        by_dataset = {name: each.to_json() for name, each in scores.items()}
        self.stdout.write(scores_table(by_dataset))
        if options["json"]:
            options["json"].write_text(json.dumps(by_dataset, indent=1) + "\n")
        if options["write_card"]:
            card = read_card(options["weights"])
            card.facts["test"]["model"] = by_dataset
            write_card(card, options["weights"])
            (options["weights"].parent / "README.md").write_text(card_page(card))
