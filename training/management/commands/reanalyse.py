"""`manage.py reanalyse`: analyse songs again whose estimates are not the live model's."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from emotion.exceptions import ReanalysisError
from emotion.jobs import reanalysis
from emotion.selectors import reanalysis_failures, reanalysis_latest, served_version

_POLL_S = 1.0


class Command(BaseCommand):
    help = "Start, watch, pause, resume or cancel the re-analysis of the catalog by the live model."

    def add_arguments(self, parser: CommandParser) -> None:
        action = parser.add_mutually_exclusive_group()
        for name in ("status", "pause", "resume", "cancel"):
            action.add_argument(f"--{name}", dest="action", action="store_const", const=name)
        parser.add_argument("--wait", action="store_true", help="Wait until it is done.")

    def handle(self, *args: Any, **options: Any) -> None:
        action, latest = options["action"], reanalysis_latest()
        try:
            if action is None:
                reanalysis.reanalysis_start(model_version=served_version())
            elif action != "status":
                if latest is None:
                    raise CommandError("No re-analysis yet; start one with manage.py reanalyse.")
                getattr(reanalysis, f"reanalysis_{action}")(pk=latest.job.pk)
        except ReanalysisError as error:
            raise CommandError(str(error)) from error
        while options["wait"] and (progress := reanalysis_latest()) and progress.job.state == "running":
            time.sleep(_POLL_S)
        progress = reanalysis_latest()
        if progress is None:
            self.stdout.write("No re-analysis yet.")
            return
        job, eta = progress.job, f", about {progress.eta_s / 60:.0f} minutes to go" if progress.eta_s else ""
        self.stdout.write(
            f"Re-analysis by {job.model_version} is {job.get_state_display().lower()}: {progress.handled} of "
            f"{progress.total} songs, {progress.failed} failed, {job.n_adopted} reused{eta}."
        )
        if job.problem:
            self.stdout.write(f"It makes no progress: {job.problem}")
        for item in reanalysis_failures(job):
            self.stdout.write(f"  {item.song}: {item.failure_reason}")
