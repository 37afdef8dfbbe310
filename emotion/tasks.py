"""Celery tasks of the analysis queue: each wakes a worker for one step of a kind of job, and may come twice.

Messages that an earlier release sent name rows; they wake a worker like any other.
"""

from __future__ import annotations

from celery import shared_task

from catalog.core import claims


@shared_task(name="emotion.tasks.analyse_songs")
def analyse_songs(*_: object) -> None:
    """Analyse a batch of queued songs."""
    claims.run("songs")


@shared_task(name="emotion.tasks.explain_estimate")
def explain_estimate(*_: object) -> None:
    """Find out where the network looked, for one song."""
    claims.run("saliency")


@shared_task(name="emotion.tasks.explain_tag")
def explain_tag(*_: object) -> None:
    """Do `explain_estimate`, by the name of before 0.2.0, in messages that an earlier release sent."""
    claims.run("saliency")


@shared_task(name="emotion.tasks.reanalysis_go_on")
def reanalysis_go_on(*_: object) -> None:
    """Analyse a batch of a re-analysis."""
    claims.run("reanalysis")


@shared_task(name="emotion.tasks.curves_go_on")
def curves_go_on() -> None:
    """Make one curve."""
    claims.run("curves")


@shared_task(name="emotion.tasks.waveforms_go_on")
def waveforms_go_on() -> None:
    """Read one song for its waveform."""
    claims.run("waveforms")
