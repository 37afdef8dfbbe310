"""The page of models, for the staff only."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from emotion.inference.quadrants import Quadrant
from emotion.jobs import reanalysis
from emotion.models import ModelVersion, PerceivedLabel, Reanalysis
from emotion.selectors import live_model
from emotion.services import labels
from tests.factories import EstimateFactory, UserFactory, WorkerFactory
from tests.training.made_models import held_out, made_run_folder, worse
from training.evaluation.model_report import AXES, curve_chart, reliability_chart, side_by_side
from training.evaluation.predictions import Predictions
from training.models import ModelEvent, Retraining
from training.registry import services
from training.registry.retraining import MIN_OWN_SONGS
from training.selectors import agreement_by_week

pytestmark = pytest.mark.django_db

MODELS = "/models/"


def candidate(tmp_path: Path, version: str = "mine-1", predictions: Predictions | None = None) -> ModelVersion:
    services.model_import_run(folder=made_run_folder(tmp_path, version, predictions, bias=1.0))
    return services.gate_check(version=version)


def page(client: Client, url: str = MODELS) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


# --- Who ----------------------------------------------------------------------------------------------------------


def test_only_the_staff_comes_in(
    live: ModelVersion,
    client_alice: Client,
    client_bob: Client,
    client_cleo: Client,
    client: Client,
    client_staff: Client,
) -> None:
    one = [live.pk]
    reads = [MODELS, reverse("training:model_detail", args=one), reverse("training:model_promote", args=one)]
    reads += [reverse("training:model_rollback"), reverse("training:model_compare")]
    writes = [reverse(f"training:{name}", args=one) for name in ("model_check", "model_promote")]
    writes += [reverse(f"training:{name}") for name in ("model_rollback", "reanalysis", "retraining")]
    for stranger in (client_alice, client_bob, client_cleo):
        assert {stranger.get(url).status_code for url in reads} == {403}
        assert {stranger.post(url).status_code for url in writes} == {403}
        assert MODELS not in stranger.get("/status/").content.decode()
    for answer in [client.get(url) for url in reads] + [client.post(url) for url in writes]:
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/?next=/models/")
    assert {client_staff.get(url).status_code for url in reads} == {200}
    assert MODELS in client_staff.get("/status/").content.decode()
    assert ModelEvent.objects.exclude(kind__in=("imported", "shipped")).count() == 0
    assert not Reanalysis.objects.exists()
    assert not Retraining.objects.exists()


def test_what_changes_something_is_never_a_link(live: ModelVersion, client_staff: Client) -> None:
    for name, arguments in (("model_check", [live.pk]), ("reanalysis", []), ("retraining", [])):
        assert client_staff.get(reverse(f"training:{name}", args=arguments)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="staff"))
    assert strict.post(reverse("training:model_rollback")).status_code == 403


# --- What is shown ------------------------------------------------------------------------------------------------


def test_a_place_without_models_says_what_to_do(settings: Settings, client_staff: Client) -> None:
    settings.MOODPLANE_WEIGHTS = None
    shown = page(client_staff)
    assert "No models yet." in shown
    assert "manage.py models import" in shown
    assert "nobody" not in shown


def test_the_page_shows_the_live_model_and_its_agreement(
    live: ModelVersion, client_staff: Client, alice: User, bob: User
) -> None:
    WorkerFactory(name="gpu@here", model_version="shipped-1")
    WorkerFactory(name="gpu@there", model_version="", problem="The weights x are missing.")
    song = EstimateFactory(model_version="shipped-1", quadrant=Quadrant.Q1).song
    labels.perceived_label_set(user=alice, song=song, quadrant=Quadrant.Q1)
    labels.perceived_label_set(user=bob, song=song, quadrant=Quadrant.Q2)
    shown = page(client_staff)
    assert "Live: <a" in shown
    assert "gpu@here (shipped-1)" in shown
    assert "gpu@there has no model.</strong> The weights x are missing." in shown
    assert "shipped-1 (1)" in shown
    assert "1 of 2 labels by 2 people agree with the estimates (50" in shown


def test_a_live_model_whose_file_is_gone_is_shouted_about(live: ModelVersion, client_staff: Client) -> None:
    assert "cannot be loaded" not in page(client_staff)
    live.weights.unlink()
    assert "The live model cannot be loaded.</strong>" in page(client_staff)


def test_the_page_refreshes_itself_with_a_fragment(live: ModelVersion, client_staff: Client) -> None:
    fragment = client_staff.get(MODELS, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "shipped-1" in fragment
    assert "hx-get" not in fragment
    EstimateFactory(model_version="older-1")
    reanalysis.reanalysis_start(model_version="shipped-1")
    assert 'hx-get="/models/" hx-trigger="every 5s"' in client_staff.get(MODELS).content.decode()


def test_more_models_cost_no_more_queries(
    live: ModelVersion, client_staff: Client, tmp_path: Path, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(4):
        services.model_import_run(folder=made_run_folder(tmp_path, f"mine-{number}"))
    with django_assert_max_num_queries(20):
        page(client_staff)


def test_a_model_shows_its_scores_curves_and_calibration(
    live: ModelVersion, client_staff: Client, tmp_path: Path
) -> None:
    model = candidate(tmp_path)
    shown = page(client_staff, reverse("training:model_detail", args=[model.pk]))
    confusion = model.report["scores"]["4qaed"]["confusion"]
    assert f">{confusion[0][0]}<small>" in shown
    assert shown.count('class="confusion"') == 3
    assert shown.count('<svg class="chart"') == 4
    assert "Validation accuracy" in shown
    assert "0.300 in the first epoch, 0.550 in the last of 6" in shown
    assert "Accuracy by confidence" in shown
    assert "Compared with shipped-1 on the same clips" in shown
    assert "Both were run on the same 72 held-out clips of 4qaed, emomusic, emopia." in shown
    assert "Checked at the gate: passes" in shown
    assert client_staff.get(reverse("training:model_detail", args=[0])).status_code == 404


def test_a_model_without_scores_says_so(live: ModelVersion, client_staff: Client, tmp_path: Path) -> None:
    from tests.training.made_models import made_weights

    bare = services.model_import_weights(weights=made_weights(tmp_path, "bare-1", bias=1.0)).model
    shown = page(client_staff, reverse("training:model_detail", args=[bare.pk]))
    assert "No scores are available." in shown
    assert "No predictions and no training history" in shown


# --- What can be done ---------------------------------------------------------------------------------------------


def test_promoting_asks_first_and_rolling_back_too(
    live: ModelVersion, staff: User, client_staff: Client, tmp_path: Path
) -> None:
    model = candidate(tmp_path)
    url = reverse("training:model_promote", args=[model.pk])
    asked = page(client_staff, url)
    assert "Make mine-1 the live model?" in asked
    assert "Promote mine-1</button>" in asked
    assert live_model() == live
    assert client_staff.post(url)["Location"] == MODELS
    assert live_model() == model
    assert ModelEvent.objects.latest("pk").by == staff
    assert "Roll back to shipped-1" in page(client_staff)
    back = reverse("training:model_rollback")
    assert "Go back to shipped-1?" in page(client_staff, back)
    assert client_staff.post(back, {"reason": "worse by ear"})["Location"] == MODELS
    assert live_model() == live
    assert "worse by ear" in page(client_staff)
    assert "There is no earlier model" in page(client_staff, back)
    assert client_staff.post(back)["Location"] == back


def test_the_gate_holds_on_the_page_too(live: ModelVersion, client_staff: Client, tmp_path: Path) -> None:
    model = candidate(tmp_path, predictions=worse(held_out(), "emopia"))
    url = reverse("training:model_promote", args=[model.pk])
    asked = page(client_staff, url)
    assert "Override the gate and promote" in asked
    assert "Worse beyond chance on 1 of 3" in asked
    answer = client_staff.post(url, follow=True)
    assert "Model mine-1 does not pass the gate." in answer.content.decode()
    assert "needs a reason" in client_staff.post(url, {"force": "1", "reason": ""}, follow=True).content.decode()
    assert live_model() == live
    client_staff.post(url, {"force": "1", "reason": "EMOPIA is piano only"})
    assert live_model() == model


def test_verdicts_of_yesterday_offer_no_button(live: ModelVersion, client_staff: Client, tmp_path: Path) -> None:
    stale = candidate(tmp_path, "mine-2")
    candidate(tmp_path)
    services.model_promote(version="mine-1")
    asked = page(client_staff, reverse("training:model_promote", args=[stale.pk]))
    assert "These verdicts are against shipped-1, but mine-1 is live now." in asked
    assert "Promote mine-2</button>" not in asked


def test_the_check_is_left_to_a_worker(live: ModelVersion, client_staff: Client, tmp_path: Path) -> None:
    model = candidate(tmp_path)
    detail = reverse("training:model_detail", args=[model.pk])
    assert client_staff.post(reverse("training:model_check", args=[model.pk]))["Location"] == detail
    shown = page(client_staff, detail)
    assert "A worker is checking it against the gate" in shown
    assert 'hx-trigger="every 3s"' in shown
    assert "Skipped" in shown


def test_the_reanalysis_is_steered_from_the_page(live: ModelVersion, client_staff: Client) -> None:
    EstimateFactory(model_version="older-1")
    url = reverse("training:reanalysis")
    client_staff.post(url, {"action": "start"})
    assert "Re-analysing the catalog with shipped-1" in page(client_staff)
    assert "0 of 1 song" in page(client_staff)
    client_staff.post(url, {"action": "pause"})
    assert "Re-analysis by shipped-1 is paused" in page(client_staff)
    client_staff.post(url, {"action": "resume"})
    assert Reanalysis.objects.get().state == "running"
    client_staff.post(url, {"action": "cancel"})
    assert "was cancelled" in page(client_staff)
    said = client_staff.post(url, {"action": "pause"}, follow=True).content.decode()
    assert "This re-analysis is cancelled; it cannot be paused." in said


def test_a_retraining_is_requested_once_and_reports_its_end(
    live: ModelVersion, staff: User, client_staff: Client
) -> None:
    url = reverse("training:retraining")
    client_staff.post(url, {"recipe": "refit"})
    row = Retraining.objects.get()
    assert (row.state, row.recipe, row.started_by) == ("queued", "refit", staff)
    assert "Waiting for a worker" in page(client_staff)
    assert "already under way" in client_staff.post(url, {"recipe": "refit"}, follow=True).content.decode()
    client_staff.post(url, {"action": "cancel"})
    assert "It was cancelled before it started." in page(client_staff)
    assert (
        "The recipe “magic” does not exist" in client_staff.post(url, {"recipe": "magic"}, follow=True).content.decode()
    )
    Retraining.objects.update(state="failed", outcome="It failed with RuntimeError: no memory", log="1 one\n2 two\n")
    shown = page(client_staff)
    assert "It failed with RuntimeError: no memory" in shown
    assert "1 one 2 two" in shown


def test_a_retraining_can_be_requested_once_there_are_labels_enough(live: ModelVersion, client_staff: Client) -> None:
    button = 'name="recipe" value="refit"'
    before = page(client_staff)
    assert "So far 0 songs have a clear label." in before
    assert f"{button} disabled" in before
    for _ in range(MIN_OWN_SONGS):
        split, clear = EstimateFactory().song, EstimateFactory().song
        for song, quadrant in ((split, 1), (split, 2), (clear, 3)):
            PerceivedLabel.objects.create(song=song, rater=UserFactory(), quadrant=quadrant)
    PerceivedLabel.objects.filter(song=clear).delete()
    assert f"{button} disabled" in page(client_staff)
    PerceivedLabel.objects.create(song=clear, rater=UserFactory(), quadrant=3)
    after = page(client_staff)
    assert f"So far {MIN_OWN_SONGS} songs have a clear label." in after
    assert f"{button} disabled" not in after


def test_a_retraining_that_a_worker_has_only_just_claimed_is_shown(live: ModelVersion, client_staff: Client) -> None:
    client_staff.post(reverse("training:retraining"), {"recipe": "refit"})
    # The claim comes first, and the worker's own note of when it began a moment later.
    Retraining.objects.update(state="running", claim="w", due_at=timezone.now() + timedelta(minutes=1))
    assert "Started just now." in page(client_staff)


# --- Drawings -----------------------------------------------------------------------------------------------------


def test_charts_stay_inside_their_frame() -> None:
    bins = [{"confidence": 0.3, "accuracy": 0.0}, {"confidence": 1.0, "accuracy": 1.0}]
    for chart in (
        reliability_chart(bins),
        curve_chart("loss", {"0": [1.4, 1.2, 0.9], "1": [1.5, 1.0]}),
        curve_chart("validation_accuracy", {"0": [0.5]}),
    ):
        points = [tuple(map(float, point.split(","))) for line in chart.lines for point in line.split()]
        assert all(AXES.left <= x <= AXES.right and AXES.top <= y <= AXES.bottom for x, y in points)
    assert reliability_chart(bins).lines == ("120.4,152.0 308.0,12.0",)
    assert "overconfident, by 0.150 on average" in reliability_chart(bins).sentence
    one_epoch = curve_chart("validation_accuracy", {"0": [0.5]})
    assert one_epoch.dots == ((AXES.left, (AXES.top + AXES.bottom) / 2),)
    assert curve_chart("loss", {"0": [2.0, 1.0], "1": [1.0, 0.5]}).sentence == (
        "1.500 in the first epoch, 0.750 in the last of 2 (2 folds, means)."
    )


# --- Side by side ---------------------------------------------------------------------------------------------------


def test_two_models_stand_side_by_side(live: ModelVersion, client_staff: Client, tmp_path: Path) -> None:
    mine = candidate(tmp_path)
    compared = page(client_staff, f"{reverse('training:model_compare')}?a={live.pk}&b={mine.pk}")
    assert f"{live.version} and {mine.version}" in compared
    assert compared.count('class="confusion"') == 2 * len(mine.report["scores"])
    for source, scores in mine.report["scores"].items():
        assert f'<th scope="row">{source}</th>' in compared
        assert f"{scores['accuracy']:.3f}" in compared
    assert reverse("training:model_compare") in page(client_staff)


@pytest.mark.parametrize("query", ["", "?a=1", "?a=x&b=y", "?a=4711&b=4712"])
def test_without_two_models_the_page_asks_which(live: ModelVersion, client_staff: Client, query: str) -> None:
    assert "Choose two models." in page(client_staff, reverse("training:model_compare") + query)


def test_what_one_model_lacks_stays_empty() -> None:
    mine = {"scores": {"emopia": {"accuracy": 0.5, "accuracy_interval": [0.4, 0.6], "macro_f1": 0.4, "ece": 0.1}}}
    rows = side_by_side(mine, {"scores": {"emopia": {"accuracy": 0.75}, "deam": {"ece": 0.2}}})
    first = rows[0]
    assert (first["source"], first["difference"]) == ("emopia", 0.25)
    assert list(first["cells"][0]["interval"]) == [0.4, 0.6]
    assert [row["source"] for row in rows] == ["emopia"] * 3 + ["deam"] * 3
    assert rows[1]["cells"][1] is None
    assert rows[1]["difference"] is None


# --- Agreement over time --------------------------------------------------------------------------------------------


def test_agreement_is_shown_week_by_week(live: ModelVersion, alice: User, bob: User, client_staff: Client) -> None:
    assert "No labels yet." in page(client_staff)
    song = EstimateFactory(quadrant=Quadrant.Q1).song
    for rater, quadrant, weeks_ago in ((alice, Quadrant.Q1, 0), (bob, Quadrant.Q3, 2)):
        label = PerceivedLabel.objects.create(song=song, rater=rater, quadrant=quadrant)
        PerceivedLabel.objects.filter(pk=label.pk).update(updated_at=timezone.now() - timedelta(weeks=weeks_ago))
    assert [(week.labels, week.agreeing) for week in agreement_by_week()] == [(1, 0), (1, 1)]
    content = page(client_staff)
    assert "1 of 2 labels by 2 people agree" in content
    assert "From 0 % in the first week to 100 % in the last." in content
