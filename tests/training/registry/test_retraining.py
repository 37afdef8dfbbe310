"""Learning from what people here say: enough of it, something new in it, one at a time, and an end that says why."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone, translation
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from torch.nn import functional

from catalog.core import claims
from catalog.models import Song
from emotion.inference import checkpoint
from emotion.inference.predict import device_of
from emotion.inference.quadrants import Quadrant
from emotion.models import ModelVersion, PerceivedLabel
from emotion.services import labels
from tests.audio_fixtures import make_audio
from tests.factories import ArtistFactory, RatingFactory, SongFactory, UserFactory
from tests.messages import lose_messages, waiting_tasks
from tests.networks import load_efficientnet
from tests.training.made_models import held_out
from training.exceptions import RetrainBusyError, RetrainRefusedError
from training.models import Retraining
from training.recipes import registry
from training.recipes.registry import Log, Recipe, RetrainJob
from training.registry import retraining
from training.registry.retraining import RETRAININGS

pytestmark = pytest.mark.django_db

Labeller = Callable[..., list[Song]]


@pytest.fixture(autouse=True)
def _no_data_sets(settings: Settings, tmp_path: Path) -> None:
    settings.MER_DATA = tmp_path / "data"
    settings.MOODPLANE_VAR = tmp_path / "var"


def labels_here() -> retraining.LocalLabels:
    with retraining.read_local_labels() as own:
        return own


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Audio that every labelled song of a test shares."""
    return make_audio(tmp_path / "recording.ogg", 6)


@pytest.fixture
def label(settings: Settings, recording: Path) -> Labeller:
    """Makes songs with audio, each labelled by one person."""
    rater = UserFactory()

    def make(n: int, quadrant: Quadrant = Quadrant.Q1) -> list[Song]:
        songs = SongFactory.create_batch(n)
        for song in songs:
            path = Path(settings.MEDIA_ROOT) / str(song.audio.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(recording.read_bytes())
            labels.perceived_label_set(user=rater, song=song, quadrant=quadrant)
        return songs

    return make


@pytest.fixture
def enough(label: Labeller) -> list[Song]:
    """As many labels as are needed."""
    return [song for quadrant in Quadrant for song in label(retraining.MIN_OWN_SONGS // 4, quadrant)]


def tiny_refit(job: RetrainJob, log: Log) -> None:
    """A real refit of the last layer on the labels given here, small enough for a test."""
    network, card = load_efficientnet(job.live_weights)
    torch.manual_seed(1)
    targets = torch.tensor([job.local_targets[clip.id] for clip in job.local_clips])
    features = functional.one_hot(targets.argmax(dim=1), network.classifier.in_features).float()
    optimiser = torch.optim.SGD(network.classifier.parameters(), lr=1.0)
    history = []
    for epoch in range(3):
        loss = functional.cross_entropy(network.classifier(features), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append({"fold": 0, "epoch": epoch, "loss": loss.item()})
        log(f"epoch {epoch}: loss {loss.item():.3f}")
    job.run_dir.mkdir(parents=True)
    made = checkpoint.Card(job.version, card.frontend, card.network, facts={"clips": len(job.local_clips)})
    checkpoint.save(network, made, job.run_dir / f"{job.version}.safetensors")
    held_out().save(job.run_dir / "predictions.npz")
    (job.run_dir / "history.jsonl").write_text("\n".join(map(json.dumps, history)))
    (job.run_dir / "run.json").write_text(json.dumps({"version": job.version}))


TINY = Recipe("One layer, three steps.", tiny_refit)


def run(recipe: Recipe = TINY, user: User | None = None, **options: Any) -> Retraining:
    row = retraining.retraining_request(user=user, claim=True)
    return retraining.retraining_run(row=row, recipe=recipe, **options)


# --- What is learned from -----------------------------------------------------------------------------------------


def test_agreement_between_raters_becomes_a_soft_label(label: Labeller) -> None:
    [song] = label(1, Quadrant.Q4)
    one = labels_here()
    assert one.targets[one.clips[0].id] == pytest.approx((0.125, 0.125, 0.125, 0.625))
    for _ in range(4):
        labels.perceived_label_set(user=UserFactory(), song=song, quadrant=Quadrant.Q4)
    labels.perceived_label_set(user=UserFactory(), song=song, quadrant=Quadrant.Q3, valence=-0.4, arousal=-0.2)
    labels.perceived_label_set(user=UserFactory(), song=song, quadrant=Quadrant.Q4, valence=0.8, arousal=-0.6)
    many = labels_here()
    [clip] = many.clips
    assert clip.quadrant is Quadrant.Q4
    assert (clip.valence, clip.arousal) == pytest.approx((0.2, -0.4))
    assert many.targets[clip.id] == pytest.approx((0.25 / 8, 0.25 / 8, 1.25 / 8, 6.25 / 8))
    assert many.agreement == pytest.approx(15 / 21)
    assert (clip.dataset, clip.song_id, clip.audio) == ("own", str(song.pk), Path(song.audio.path))


def test_songs_without_a_majority_or_a_file_are_left_out_and_counted(label: Labeller) -> None:
    tied, gone, _ = label(3)
    labels.perceived_label_set(user=UserFactory(), song=tied, quadrant=Quadrant.Q2)
    Path(gone.audio.path).unlink()
    own = labels_here()
    assert (len(own.clips), own.n_tied, own.n_missing) == (1, 1, 1)
    assert [line for line in own.report() if line.startswith("Left out")] == [
        "Left out: 1 songs whose raters are evenly split.",
        "Left out: 1 songs whose file is not in the media folder.",
    ]


def test_felt_ratings_are_never_labels(label: Labeller) -> None:
    label(2)
    before = labels_here()
    RatingFactory.create_batch(5, felt_valence=-0.9, felt_arousal=0.9)
    for song in Song.objects.all():
        RatingFactory(song=song, felt_valence=-0.9, felt_arousal=0.9)
    after = labels_here()
    assert (after.fingerprint(), after.targets) == (before.fingerprint(), before.targets)


def test_songs_of_one_artist_stay_together_and_unknown_ones_apart(label: Labeller) -> None:
    songs = label(4)
    known, unknown = ArtistFactory(name="The  Band"), ArtistFactory(name="Unknown artist")
    for song, artist in zip(songs, (known, known, unknown, unknown), strict=True):
        song.artist = artist
        song.save()
    artists = [clip.artist for clip in labels_here().clips]
    assert artists[0] == artists[1] == "the band"
    assert len({*artists}) == 3


def test_every_change_of_a_label_changes_the_fingerprint(label: Labeller, alice: User) -> None:
    song, _ = label(2)
    seen = {labels_here().fingerprint()}
    labels.perceived_label_set(user=alice, song=song, quadrant=Quadrant.Q1)
    seen.add(labels_here().fingerprint())
    labels.perceived_label_set(user=alice, song=song, quadrant=Quadrant.Q1, valence=0.5, arousal=0.5)
    seen.add(labels_here().fingerprint())
    labels.perceived_label_remove(user=alice, song=song)
    assert len(seen) == 3
    assert labels_here().fingerprint() in seen


# --- Whether ------------------------------------------------------------------------------------------------------


def test_too_little_is_refused_with_the_threshold(live: ModelVersion, label: Labeller) -> None:
    label(19, Quadrant.Q1)
    row = run()
    assert row.state == "refused"
    assert "19 songs have usable labels; retraining needs 20." in row.outcome
    assert not row.is_active
    label(1, Quadrant.Q1)
    assert run().state == "done"


def test_it_makes_a_model_of_the_registry_held_against_the_gate(
    live: ModelVersion, enough: list[Song], staff: User
) -> None:
    row = run(user=staff)
    assert row.state == "done", row.log
    model = row.model
    assert model is not None
    assert (model.origin, model.imported_by, model.state) == ("retrained", staff, "imported")
    assert model.gate["passed"]
    assert model.card["facts"] == {"clips": len(enough)}
    assert "It made" in row.outcome
    assert "passes the gate" in row.outcome
    assert "epoch 2: loss" in row.log
    assert f"{len(enough)} songs labelled here by 1 people" in row.log
    # Whether it goes live is for a person to say.
    assert ModelVersion.objects.get(state="live") == live


def test_nothing_new_is_skipped_unless_forced(live: ModelVersion, enough: list[Song], alice: User) -> None:
    first = run()
    again = run()
    assert (again.state, again.model) == ("skipped", None)
    assert again.outcome.startswith("Nothing has changed since the retraining of")
    assert str(first.model) in again.outcome
    assert run(Recipe("Another recipe.", tiny_refit)).state == "done"
    labels.perceived_label_set(user=alice, song=enough[0], quadrant=Quadrant.Q1)
    assert run().state == "done"


def test_force_does_it_all_the_same(live: ModelVersion, enough: list[Song]) -> None:
    assert run().model != run(force=True).model
    assert ModelVersion.objects.filter(origin="retrained").count() == 2


# --- How it ends --------------------------------------------------------------------------------------------------


def test_a_recipe_that_dies_says_of_what(live: ModelVersion, enough: list[Song]) -> None:
    def dies(job: RetrainJob, log: Log) -> None:
        log("so far so good")
        raise RuntimeError("CUDA out of memory")

    row = run(Recipe("Dies.", dies))
    assert (row.state, row.is_active) == ("failed", False)
    assert row.ending == "It failed with RuntimeError: CUDA out of memory"
    assert "so far so good" in row.log
    assert "in dies" in row.log
    # It blocks no later run.
    assert run().state == "done"


@pytest.mark.parametrize("name", list(registry.RECIPES))
def test_a_live_model_of_another_recipe_is_refused(live: ModelVersion, enough: list[Song], name: str) -> None:
    row = run(registry.RECIPES[name])
    assert row.state == "refused", row.log
    assert "The live model cannot be retrained by this recipe" in row.outcome


def test_a_half_written_run_does_not_become_a_model(live: ModelVersion, enough: list[Song]) -> None:
    def forgets(job: RetrainJob, log: Log) -> None:
        job.run_dir.mkdir(parents=True)

    row = run(Recipe("Forgets.", forgets))
    assert (row.state, ModelVersion.objects.count()) == ("refused", 1)
    assert "holds no weights" in row.outcome


def test_one_at_a_time(live: ModelVersion, enough: list[Song]) -> None:
    waiting = retraining.retraining_request()
    with pytest.raises(RetrainBusyError, match="already under way"):
        retraining.retraining_request()
    assert retraining.retraining_cancel(pk=waiting.pk)
    assert not retraining.retraining_cancel(pk=waiting.pk)
    assert RETRAININGS.claim() == []
    assert Retraining.objects.get().state == "skipped"
    with pytest.raises(RetrainRefusedError, match="The recipe “magic” does not exist; choose one of refit, whole"):
        retraining.retraining_request(recipe="magic")


def test_one_whose_process_is_gone_is_ended_and_says_so(live: ModelVersion) -> None:
    row = retraining.retraining_request()
    assert len(RETRAININGS.claim()) == 1
    claims.tick()
    assert Retraining.objects.get().state == "running"
    Retraining.objects.filter(pk=row.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    # The next request need not wait for the scheduler.
    next_one = retraining.retraining_request()
    row.refresh_from_db()
    assert row.state == "failed"
    # The admin pages show what is stored.
    assert row.failure_reason == (
        "Its process has not reported for 90 s and ended without a message: it was killed, ran out of memory, or the "
        "machine stopped. See the worker's log; then start it again."
    )
    assert row.ending == row.failure_reason
    with translation.override("de"):
        assert row.ending.startswith("Der Prozess hat sich seit 90 s nicht gemeldet")
    assert next_one.is_active


def test_one_that_the_broker_lost_is_sent_again(live: ModelVersion) -> None:
    retraining.retraining_request()
    claims.tick()
    claims.tick()
    assert waiting_tasks() == ["training.tasks.retrain"]
    assert len(RETRAININGS.claim()) == 1
    lose_messages()
    claims.tick()
    assert waiting_tasks() == []


@pytest.mark.django_db(transaction=True)
def test_no_worker_takes_what_the_caller_runs(live: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Retraining] = []

    def worker() -> None:
        taken.extend(claim(Retraining.objects.all()))
        connection.close()

    def claim_late(rows: QuerySet[Retraining]) -> list[Retraining]:
        # The row exists and is due, and a worker looks for it.
        thread = threading.Thread(target=worker)
        thread.start()
        thread.join()
        return claim(rows)

    claim = claims.claim
    monkeypatch.setattr(claims, "claim", claim_late)
    row = retraining.retraining_request(claim=True)
    worker()
    assert taken == []
    assert (row.state, row.attempts) == ("running", 1)
    assert row.claim


@pytest.mark.django_db(transaction=True)
def test_its_process_says_that_it_is_alive(
    live: ModelVersion, enough: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "BEAT_S", 0.02)
    beats = set()

    def waits(job: RetrainJob, log: Log) -> None:
        for _ in range(200):
            threading.Event().wait(0.02)
            beats.add(Retraining.objects.values_list("due_at", flat=True).get())
            if len(beats) > 2:
                break
        tiny_refit(job, log)

    assert run(Recipe("Waits.", waits)).state == "done"
    assert len(beats) > 2


def test_the_task_may_come_twice(
    live: ModelVersion,
    enough: list[Song],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    from training import tasks

    monkeypatch.setitem(registry.RECIPES, "refit", TINY)
    with django_capture_on_commit_callbacks() as sent:
        row = retraining.retraining_request()
    assert len(sent) == 1
    assert tasks.retrain.app.conf.task_routes["training.tasks.retrain"] == {"queue": "gpu"}
    tasks.retrain(row.pk)
    tasks.retrain(row.pk)
    claims.tick()
    row.refresh_from_db()
    assert row.state == "done"
    assert ModelVersion.objects.filter(origin="retrained").count() == 1


def test_the_command_runs_it_here_or_leaves_it_to_a_worker(
    live: ModelVersion, enough: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.RECIPES, "refit", TINY)
    out = StringIO()
    call_command("retrain", stdout=out)
    assert "passes the gate." in out.getvalue()
    call_command("retrain", "--queue", stdout=out)
    assert "is waiting for a worker" in out.getvalue()
    with pytest.raises(CommandError, match="already under way"):
        call_command("retrain", stdout=out)
    Retraining.objects.filter(state__in=Retraining.ACTIVE).delete()
    PerceivedLabel.objects.filter(quadrant=2).delete()
    with pytest.raises(CommandError, match="15 songs have usable labels; retraining needs 20"):
        call_command("retrain", stdout=out)


def test_probabilities_of_targets_add_up(enough: list[Song]) -> None:
    assert np.array(list(labels_here().targets.values())).sum(axis=1) == pytest.approx(1.0)


def test_it_runs_on_the_device_that_is_named(
    live: ModelVersion, enough: list[Song], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def record(job: RetrainJob, log: Log) -> None:
        seen.append(job.device)
        device_of(job.device)
        raise RetrainRefusedError("Enough.")

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setitem(registry.RECIPES, "refit", Recipe("Records.", record))
    settings.MOODPLANE_DEVICE = "cuda:1"
    row = run(Recipe("Records.", record))
    assert (row.state, row.outcome) == ("refused", "CUDA was asked for, but torch sees no CUDA device on this machine.")
    with pytest.raises(CommandError, match="Enough"):
        call_command("retrain", "--device", "cpu", stdout=StringIO())
    assert seen == ["cuda:1", "cpu"]
    with pytest.raises(CommandError, match="There is no device 'gpu'"):
        call_command("retrain", "--device", "gpu")
    with pytest.raises(CommandError, match="--device works only without --queue"):
        call_command("retrain", "--device", "cpu", "--queue")
    assert len(seen) == 2
