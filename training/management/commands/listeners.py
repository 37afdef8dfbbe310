"""`manage.py listeners STUDY`: how well the recommender predicts real listeners, and serves simulated ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from training.datasets.base import DatasetError
from training.listener_study import emotify, protocol, simulation, situnes, valence_change, vgmidi
from training.listener_study.protocol import Cohort


class Command(BaseCommand):
    help = (
        "Predict held-out songs of held-out listeners, after 0, 1, 2, 5, 10 and 20 of their ratings; or compare "
        "policies on simulated listeners."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "study",
            choices=["situnes", "emotify", "vgmidi", "again", "change", "simulate"],
            help="Which layout the folder has; again and change read SiTunes, simulate reads SiTunes and Emotify.",
        )
        parser.add_argument(
            "--data",
            type=Path,
            help="The study's folder, by default that in MER_DATA; for simulate, the folder of both.",
        )
        parser.add_argument(
            "--work", type=Path, default=Path("runs/work"), help="Cache of rendered and analysed audio."
        )
        parser.add_argument("--weights", type=Path, help="The model that analyses recordings; by default the live one.")
        parser.add_argument("--draws", type=int, default=20, help="Supports drawn for each listener and size.")
        parser.add_argument("--listeners", type=int, default=200, help="How many to simulate.")
        parser.add_argument("--seed", type=int, default=0, help="Decides the draws.")
        parser.add_argument("--json", type=Path, metavar="FILE", help="Also write all figures as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        studies = {
            "simulate": self._simulate,
            "vgmidi": self._pairs,
            "again": self._retest,
            "change": self._change,
        }
        try:
            figures = studies.get(options["study"], self._protocol)(options)
        except DatasetError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=1), encoding="utf-8")

    def _protocol(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        folder = options["data"] or Path(settings.MER_DATA) / options["study"]
        if options["study"] == "emotify":
            cohort = emotify.load(folder, _weights(options), options["work"]).cohort
        else:
            cohort = situnes.load(folder)
        self._count(cohort)
        outcomes = []
        for part in (cohort, cohort.without_mood()) if cohort.knows_mood else (cohort,):
            outcome = protocol.evaluate(part, n_draws=options["draws"], seed=options["seed"])
            outcomes.append(outcome)
            self.stdout.write(f"\n{protocol.error_table(outcome)}\n")
            self.stdout.write(f"Ours in full:\n\n{protocol.detail_table(outcome)}\n")
        return [protocol.as_json(outcome) for outcome in outcomes]

    def _pairs(self, options: dict[str, Any]) -> dict[str, Any]:
        folder = options["data"] or Path(settings.MER_DATA) / "vgmidi"
        cohort = vgmidi.load(folder, _weights(options), options["work"])
        self._count(cohort)
        outcome = vgmidi.second_pieces(cohort, seed=options["seed"])
        self.stdout.write(vgmidi.pair_table(outcome))
        return outcome

    def _retest(self, options: dict[str, Any]) -> dict[str, Any]:
        reliability = situnes.retest_reliability(options["data"] or Path(settings.MER_DATA) / "situnes")
        self.stdout.write(situnes.retest_table(reliability))
        return dict(reliability)

    def _change(self, options: dict[str, Any]) -> dict[str, Any]:
        cohort = situnes.load(options["data"] or Path(settings.MER_DATA) / "situnes")
        outcome = valence_change.evaluate(cohort)
        self.stdout.write(valence_change.change_table(outcome))
        return {method: outcome.figures(method) for method in outcome.predicted}

    def _simulate(self, options: dict[str, Any]) -> dict[str, Any]:
        folder = options["data"] or Path(settings.MER_DATA)
        songs, prior, moods = simulation.load_world(folder, _weights(options), options["work"])
        seeds = [(options["seed"], number) for number in range(options["listeners"])]
        listeners = [simulation.draw_listener(prior, songs, moods, seed) for seed in seeds]
        self.stdout.write(f"{simulation.NOTE}\n{len(listeners)} listeners, {len(songs)} songs.\n")
        runs = {}
        for aim in simulation.AIMS:
            its = simulation.compare_policies(listeners, songs, prior, options["seed"], aim, self.stderr.write)
            self.stdout.write(f"Lists for {aim.name}:\n")
            for table in (
                simulation.policy_table(its, len(songs)),
                simulation.regret_table(its),
                simulation.difference_table(its),
            ):
                self.stdout.write(f"{table}\n")
            runs[aim.name] = its
        journeys = [simulation.journeys(one, songs, prior, number) for number, one in enumerate(listeners)]
        self.stdout.write(f"{simulation.journey_table(journeys)}\n")
        return simulation.as_json(runs, journeys, len(songs))

    def _count(self, cohort: Cohort) -> None:
        self.stdout.write(f"{cohort.name}: {len(cohort.listeners)} listeners, {cohort.n_ratings} answers.")


def _weights(options: dict[str, Any]) -> Path:
    weights: Path | None = options["weights"] or settings.MOODPLANE_WEIGHTS
    if weights is None:
        raise CommandError("No model to analyse the recordings with. Name one: --weights FILE.")
    return weights
