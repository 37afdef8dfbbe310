"""`manage.py zoo`: list the systems of the papers, train them on the same folds, and write the table."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from emotion.exceptions import EmotionError
from training.datasets import DATASETS, DatasetError
from training.exceptions import TrainingError
from training.recipes.zoo.systems import system, system_names


class Command(BaseCommand):
    help = "List, train and compare the systems of the papers."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", choices=["list", "run", "table", "tags"], default="list")
        parser.add_argument("systems", nargs="*", help="Systems to train; none are all.")
        parser.add_argument("--system", dest="systems", action="append", help="A system, after `tags --data-sets ...`.")
        parser.add_argument("--head", default="sigmoid", help="Of a network of tags: sigmoid, or the paper's softmax.")
        parser.add_argument("--json", action="store_true", help="List as JSON.")
        parser.add_argument("--protocol", default="artist5", help="artist5, stratified5, louro10x10 or paper.")
        parser.add_argument("--data-sets", nargs="+", default=["4qaed"], help="Data sets to train and test on.")
        parser.add_argument(
            "--budget", type=float, default=15.0, help="Core-minutes for all folds of a system; 0 is the paper's own."
        )
        parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:1.")
        parser.add_argument("--data", type=Path, default=settings.MER_DATA, help="Folder of the datasets (MER_DATA).")
        parser.add_argument("--work", type=Path, default=Path("runs/work"), help="Rendered audio and caches.")
        parser.add_argument("--runs", type=Path, default=Path("runs/zoo"), help="Run folders; unfinished ones go on.")
        parser.add_argument("--results", type=Path, default=settings.MOODPLANE_ZOO_RESULTS, help="The table's rows.")
        parser.add_argument("--again", action="store_true", help="Train also what the table has.")

    def handle(self, *args: Any, **options: Any) -> None:
        budget, unknown = options["budget"], sorted(set(options["data_sets"]) - DATASETS.keys())
        if not 0 <= budget < math.inf:
            raise CommandError(f"--budget is {budget:g}; it can be a number of minutes, or 0 for what the paper takes.")
        if unknown:
            raise CommandError(f"--data-sets has {', '.join(unknown)}; it can have {', '.join(DATASETS)}.")
        try:
            getattr(self, f"_{options['action']}")(options)
        except (OSError, ValueError, DatasetError, EmotionError, TrainingError) as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        systems = [system(name).to_json() for name in options["systems"] or system_names()]
        if options["json"]:
            self.stdout.write(json.dumps(systems, indent=2, ensure_ascii=False))
            return
        for each in systems:
            self.stdout.write(f"{each['name']}: {each['title']}")
            self.stdout.write(
                f"    {each['paper']}; {each['front_end']}; {each['parameters']:,} parameters; {each['licence']}"
            )

    def _run(self, options: dict[str, Any]) -> None:
        # Imported here because torch and scikit-learn take seconds, and a list needs less.
        from training.fit.loop import alone
        from training.recipes.zoo.recipe import PROTOCOLS, ZooRun, run_zoo
        from training.recipes.zoo.table import is_done, row_put, rows_of

        if options["protocol"] not in PROTOCOLS:
            raise CommandError(f"protocol is {options['protocol']!r}; it can be {', '.join(PROTOCOLS)}.")
        protocol, processes = PROTOCOLS[options["protocol"]], alone(options["device"])
        budget, data = options["budget"], tuple(options["data_sets"])
        chosen = [system(name, within_budget=budget > 0) for name in options["systems"] or system_names()]
        failed: list[str] = []
        for number, each in enumerate(chosen, start=1):
            if not options["again"] and is_done(
                rows_of(options["results"]), each.name, protocol.name, "+".join(data), budget
            ):
                self.stdout.write(f"{each.name} is in the table.")
                continue
            self.stdout.write(f"{number} of {len(chosen)}: {each.name}, {protocol.about}")
            folder = options["runs"] / f"{each.name}-{protocol.name}"
            run = ZooRun(each, protocol, data, budget, options["data"], options["work"], folder)
            try:
                row = run_zoo(run, processes=processes, log=self.stdout.write)
            except (OSError, ValueError, DatasetError, EmotionError, TrainingError) as error:
                # One system that cannot be trained here holds no other up.
                if len(chosen) == 1:
                    raise
                self.stderr.write(self.style.ERROR(f"{each.name}: {error}"))
                failed.append(each.name)
                continue
            row_put(options["results"], row)
            self.stdout.write(
                self.style.SUCCESS(
                    f"{each.name}: macro-F1 {row['macro_f1']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
                )
            )
        if failed:
            raise CommandError(f"{len(failed)} of {len(chosen)} systems were not trained: {', '.join(failed)}.")

    def _tags(self, options: dict[str, Any]) -> None:
        from training.fit.loop import alone
        from training.recipes.zoo.table import row_put
        from training.recipes.zoo.tags import run_tags, tag_run

        results = options["results"]
        if results == settings.MOODPLANE_ZOO_RESULTS:
            results = results.with_name("tags.json")
        chosen = {"head": options["head"], "protocol": options["protocol"], "budget_min": options["budget"]}
        places = {"data_root": options["data"], "work_dir": options["work"], "runs": options["runs"]}
        for name in options["systems"] or ["liu_simple"]:
            for data in options["data_sets"]:
                run = tag_run(name, data, **chosen, **places)
                row_put(results, run_tags(run, processes=alone(options["device"]), log=self.stdout.write))

    def _table(self, options: dict[str, Any]) -> None:
        from training.recipes.zoo.page import kept_words, zoo_page
        from training.recipes.zoo.table import rows_of
        from training.recipes.zoo.tags_page import tags_page

        if not options["results"].exists():
            raise CommandError(f"There is no {options['results']}, so docs/zoo.md stays as it is.")
        page = Path(settings.BASE_DIR) / "docs" / "zoo.md"
        text = zoo_page(rows_of(options["results"]), system_names(), kept_words(page.parent))
        page.write_text(text, encoding="utf-8")
        self.stdout.write(f"Wrote {page}.")
        if (of_tags := options["results"].with_name("tags.json")).exists():
            page.with_name("zoo_tags.md").write_text(tags_page(rows_of(of_tags)), encoding="utf-8")
            self.stdout.write(f"Wrote {page.with_name('zoo_tags.md')}.")
