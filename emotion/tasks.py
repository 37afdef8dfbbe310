"""Celery tasks of the analysis queue: each wakes a worker for one step of a kind of job, and may come twice."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from catalog.core import claims


def _step(kind: str, name: str) -> Any:
    # Messages of an earlier release name rows; they wake a worker like any other.
    def step(*_: object) -> None:
        claims.run(kind)

    return shared_task(name=f"emotion.tasks.{name}")(step)


analyse_songs = _step("songs", "analyse_songs")
explain_estimate = _step("saliency", "explain_estimate")
# The name before 0.2.0, in messages of an earlier release.
explain_tag = _step("saliency", "explain_tag")
reanalysis_go_on = _step("reanalysis", "reanalysis_go_on")
curves_go_on = _step("curves", "curves_go_on")
waveforms_go_on = _step("waveforms", "waveforms_go_on")
sounds_go_on = _step("sounds", "sounds_go_on")
tags_go_on = _step("tags", "tags_go_on")
webhooks_go_on = _step("webhooks", "webhooks_go_on")
