"""Pages of models for the staff. Nothing here runs a network: workers check models at the gate and train them."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.core.htmx import wants_fragment
from catalog.core.wording import clock, percent
from catalog.permissions import allowed, is_staff
from emotion.exceptions import ReanalysisError
from emotion.inference.quadrants import Quadrant
from emotion.jobs import reanalysis as reanalysis_module
from emotion.models import ModelVersion, Reanalysis
from emotion.selectors import live_model, reanalysis_failures, reanalysis_latest, served_version, workers_alive
from training import selectors
from training.evaluation.model_report import curve_chart, reliability_chart, share_chart, side_by_side
from training.exceptions import TrainingError
from training.recipes.registry import DEFAULT_RECIPE, RECIPES
from training.recipes.zoo.charts import interval_chart, speed_chart
from training.recipes.zoo.standings import PROTOCOLS, standings_of, system_names
from training.recipes.zoo.table import TableError, rows_of
from training.registry import retraining as retrain
from training.registry import services
from training.registry.gate import NEVER_FORCED, criteria
from training.registry.services import model_files_problem

LOG_LINES = 12
_WEEKS_OF_A_LINE = 2
_HEAT_STEPS = 5

_staff = allowed(is_staff)


@require_safe
@_staff
def models(request: HttpRequest) -> HttpResponse:
    """All models and running work; the same address answers its refresh with the fragment."""
    progress, latest = reanalysis_latest(), selectors.retraining_latest()
    versions = list(selectors.models_all())
    live = next((model for model in versions if model.state == ModelVersion.State.LIVE), None)
    is_reanalysing = progress is not None and progress.job.state == Reanalysis.State.RUNNING
    is_checking = any("queued_at" in model.gate for model in versions)
    agreement = selectors.listeners_agreement()
    weeks = selectors.agreement_by_week() if agreement.labels else []
    context = {
        "models": versions,
        "is_busy": is_reanalysing or is_checking or bool(latest and latest.is_active),
        "live": live,
        "live_problem": model_files_problem(live) if live else "",
        "served_version": live.version if live and not settings.MOODPLANE_WEIGHTS_PINNED else served_version(),
        "pinned": settings.MOODPLANE_WEIGHTS if settings.MOODPLANE_WEIGHTS_PINNED else None,
        "estimates": selectors.estimates_by_version(),
        "agreement": agreement,
        "agreement_weeks": weeks,
        "workers": workers_alive(),
        "progress": progress,
        "failures": reanalysis_failures(progress.job) if progress else [],
        "retraining": latest,
        "retraining_log": latest.log.splitlines()[-LOG_LINES:] if latest else [],
        "recipes": RECIPES,
        "default_recipe": DEFAULT_RECIPE,
        "min_own_songs": retrain.MIN_OWN_SONGS,
        "n_labelled": selectors.songs_labelled(),
        "events": selectors.events_latest(),
    }
    if len(weeks) >= _WEEKS_OF_A_LINE:
        ends = {"first": percent(weeks[0].share), "last": percent(weeks[-1].share)}
        sentence = _("From %(first)s in the first week to %(last)s in the last.") % ends
        shares = [week.share for week in weeks]
        context["agreement_chart"] = share_chart(_("Labels that agree, week by week"), sentence, shares)
    template = "training/partials/models_body.html" if wants_fragment(request) else "training/models.html"
    return render(request, template, context)


@require_safe
@_staff
def model_compare(request: HttpRequest) -> HttpResponse:
    """Two models side by side, chosen by `a` and `b`; without both, the page asks for them."""
    known = {str(model.pk): model for model in selectors.models_all()}
    a, b = (known.get(request.GET.get(name, "")) for name in ("a", "b"))
    sides = [_side(model) if model else None for model in (a, b)]
    context: dict[str, Any] = {"models": [*known.values()], "a": sides[0], "b": sides[1], "quadrants": list(Quadrant)}
    if a and b:
        context |= {"pair": sides, "sources": side_by_side(a.report, b.report)}
    return render(request, "training/model_compare.html", context)


def _side(model: ModelVersion) -> dict[str, Any]:
    report = model.report
    bins = report.get("reliability")
    return {
        "model": model,
        "scores": [
            {"name": name, "figures": scores, "rows": _confusion_rows(scores.get("confusion", []))}
            for name, scores in report.get("scores", {}).items()
        ],
        "curves": [curve_chart(curve["figure"], curve["lines"]) for curve in report.get("curves", [])],
        "reliability": reliability_chart(bins) if bins else None,
    }


@require_safe
@_staff
def zoo(request: HttpRequest) -> HttpResponse:
    """The systems of the papers on the same clips, under the `protocol` of the address, or the first that was run."""
    systems = system_names()
    rows, problem = [], ""
    try:
        rows = rows_of(settings.MOODPLANE_ZOO_RESULTS)
    except TableError as error:
        problem = str(error)
    tables = standings_of(rows, systems)
    run = dict.fromkeys(table.protocol.name for table in tables)
    chosen = request.GET.get("protocol", "")
    protocol = PROTOCOLS[chosen if chosen in PROTOCOLS else next(iter(run), next(iter(PROTOCOLS)))]
    context = {
        "problem": problem,
        "protocol": protocol,
        "protocols": [
            (each, sum(len(table.rows) for table in tables if table.protocol is each)) for each in PROTOCOLS.values()
        ],
        "systems": systems,
        "sections": [
            {"table": table, "charts": (interval_chart(table), speed_chart(table))}
            for table in tables
            if table.protocol is protocol
        ],
    }
    return render(request, "training/zoo.html", context)


@require_safe
@_staff
def model_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One model: scores, confusion, calibration, curves, verdicts and history."""
    model = _model(pk)
    context = {
        **_side(model),
        "quadrants": list(Quadrant),
        "facts": _facts(model),
        "sources": list((model.gate.get("comparison") or {}).get("sources", {}).values()),
    }
    return render(request, "training/model_detail.html", context | _gate_context(model))


@require_POST
@_staff
def model_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a worker check a model at the gate."""
    services.gate_check_request(version=_model(pk).version)
    messages.info(request, _("A worker is checking it against the gate; the verdicts appear here soon."))
    return redirect("training:model_detail", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@_staff
def model_promote(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask once more, with the verdicts in view; POST makes the model live."""
    model = _model(pk)
    if request.method != "POST":
        return render(request, "training/model_promote.html", {"model": model} | _gate_context(model))
    try:
        services.model_promote(
            version=model.version,
            user=cast(User, request.user),
            force="force" in request.POST,
            reason=request.POST.get("reason", ""),
        )
    except TrainingError as error:
        messages.error(request, str(error))
        return redirect("training:model_promote", pk)
    message = _("Model %(version)s is live. The catalog is analysed again in the background.")
    messages.success(request, message % {"version": model.version})
    return redirect("training:models")


@require_http_methods(["GET", "HEAD", "POST"])
@_staff
def model_rollback(request: HttpRequest) -> HttpResponse:
    """Ask once more; POST makes the model live again that was live before."""
    if request.method != "POST":
        return render(request, "training/model_rollback.html", {"live": live_model()})
    try:
        model = services.model_rollback(user=cast(User, request.user), reason=request.POST.get("reason", ""))
    except TrainingError as error:
        messages.error(request, str(error))
        return redirect("training:model_rollback")
    messages.success(request, _("Model %(version)s is live again.") % {"version": model.version})
    return redirect("training:models")


@require_POST
@_staff
def reanalysis(request: HttpRequest) -> HttpResponse:
    """Start, pause, resume or cancel the re-analysis, as `action` says."""
    progress, action = reanalysis_latest(), request.POST.get("action")
    try:
        if action == "start":
            reanalysis_module.reanalysis_start(model_version=served_version(), user=cast(User, request.user))
        elif progress is not None and action in ("pause", "resume", "cancel"):
            getattr(reanalysis_module, f"reanalysis_{action}")(pk=progress.job.pk)
    except ReanalysisError as error:
        messages.error(request, str(error))
    return redirect("training:models")


@require_POST
@_staff
def retraining(request: HttpRequest) -> HttpResponse:
    """Ask for a retraining, or cancel one that no worker has claimed yet."""
    latest = selectors.retraining_latest()
    try:
        if request.POST.get("action") != "cancel":
            retrain.retraining_request(
                user=cast(User, request.user), recipe=request.POST.get("recipe") or DEFAULT_RECIPE
            )
        elif latest is None or not retrain.retraining_cancel(pk=latest.pk):
            messages.error(request, _("It has already started and can no longer be cancelled."))
    except TrainingError as error:
        messages.error(request, str(error))
    return redirect("training:models")


def _model(pk: int) -> ModelVersion:
    model = selectors.model_shown(pk)
    if model is None:
        raise Http404(_("Model %(number)d does not exist.") % {"number": pk})
    return model


def _gate_context(model: ModelVersion) -> dict[str, Any]:
    live = live_model()
    verdicts = {verdict["code"]: verdict for verdict in model.gate.get("verdicts", [])}
    failed = {code for code, verdict in verdicts.items() if not verdict["passed"]}
    against = model.gate.get("against", "")
    return {
        "criteria": [{"text": text, "verdict": verdicts.get(code)} for code, text in criteria().items()],
        "against": against,
        "is_live": model.state == ModelVersion.State.LIVE,
        "is_stale": bool(verdicts) and against != (live.version if live else ""),
        "can_force": bool(failed) and not failed & NEVER_FORCED,
        "live": live,
    }


def _confusion_rows(confusion: list[list[int]]) -> list[dict[str, Any]]:
    """Return a row for each quadrant; a cell's heat is its share of the row, in the style sheet's steps."""
    rows = []
    for quadrant, counts in zip(Quadrant, confusion, strict=False):
        total = sum(counts) or 1
        cells = [{"n": n, "share": n / total, "heat": round(_HEAT_STEPS * n / total)} for n in counts]
        rows.append({"quadrant": quadrant, "cells": cells})
    return rows


def _facts(model: ModelVersion) -> dict[str, str]:
    run = model.report.get("run", {})
    data_sets = ", ".join(f"{name} ({d['clips']})" for name, d in (run.get("datasets") or {}).items() if "clips" in d)
    known = {
        _("Origin"): model.get_origin_display(),
        _("Trained on"): data_sets,
        _("Started"): run.get("started"),
        _("Ended"): run.get("ended"),
        _("Duration"): clock(run["wall_s"]) if run.get("wall_s") else "",
        _("Seed"): run.get("seed"),
        _("Commit"): str(run.get("commit") or "")[:12],
        _("Network"): model.card.get("network", {}).get("backbone") or model.card.get("architecture"),
        _("Weights"): f"SHA-256 {model.weights_sha256[:16]}…",
    }
    return {name: str(value) for name, value in known.items() if value not in (None, "")}
