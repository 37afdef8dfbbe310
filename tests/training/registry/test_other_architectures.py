"""A model that is no EfficientNet and reads raw waveforms, from its checkpoint to a tagged song: by the same code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from catalog.models import Song
from emotion.exceptions import SaliencyUnavailableError
from emotion.inference import checkpoint
from emotion.jobs import curves, saliency
from emotion.models import EmotionCurve, ModelVersion, SaliencyMap
from emotion.saliency.saliency import hirescam
from emotion.selectors import live_model
from emotion.services import analysis
from emotion.services.analysis import songs_analyse
from emotion.signal.audio import Window
from emotion.zoo.registry import create_model
from tests import zoo_members
from tests.audio_fixtures import make_audio
from tests.factories import SongFactory
from tests.training.made_models import SMALL_MEL
from tests.training.made_qaed import made_qaed
from training.datasets import DATASETS
from training.evaluation.held_out import HeldOut
from training.recipes.zoo import recipe, systems
from training.registry import services

pytestmark = pytest.mark.django_db


@pytest.fixture
def raw_weights(tmp_path: Path) -> Iterator[Path]:
    """A checkpoint of the tiny network on raw waveforms."""
    with zoo_members.registered():
        torch.manual_seed(5)
        network = create_model("tiny_raw").eval()
        weights = tmp_path / "raw" / "raw-1.safetensors"
        card = checkpoint.Card("raw-1", zoo_members.RAW_FRONT_END, network.config)
        checkpoint.save(network, card, weights)
        yield weights
        analysis.predictor_forget()


def test_it_is_imported_promoted_and_serves(
    live: ModelVersion, raw_weights: Path, settings: Settings, tmp_path: Path, client: Client
) -> None:
    settings.MOODPLANE_VAR = tmp_path / "var"
    song = SongFactory(state=Song.State.QUEUED, duration_s=12.0)
    make_audio(Path(settings.MEDIA_ROOT) / str(song.audio.name), 12, codec="ogg", channels=1)

    services.model_import_weights(weights=raw_weights)
    # It cannot read the spectra that are stored.
    settings.MER_DATA = tmp_path / "data"
    verdicts = services.gate_check(version="raw-1").gate["verdicts"]
    assert [verdict["code"] for verdict in verdicts if not verdict["passed"]] == [
        "comparable",
        "not_worse",
        "calibrated",
    ]
    assert verdicts[1]["sentence"].startswith("It reads another input (5 chunks in 6 s, each a waveform of 2 s) than")
    assert "It takes the data sets in MER_DATA, or the front end of the bundled model" in verdicts[1]["sentence"]
    made_qaed(settings.MER_DATA, clips=10, seconds=6.0, artists=10)
    clips = DATASETS["4qaed"].load(settings.MER_DATA / "4qaed", tmp_path)
    HeldOut.of_clips(clips, SMALL_MEL).save(settings.MOODPLANE_HELD_OUT)
    checked = services.gate_check(version="raw-1")
    assert [verdict["passed"] for verdict in checked.gate["verdicts"][:2]] == [True, True]
    assert checked.gate["verdicts"][1]["sentence"] == "Both were run on the same 40 held-out clips of 4qaed."
    # Which of two networks that have learned nothing is better is chance.
    services.model_promote(version="raw-1", force=True, reason="to see it serve")
    assert str(live_model()) == "raw-1"

    assert songs_analyse() == [song.pk]
    estimate = song.estimates.get()
    assert (estimate.model_version, estimate.window_s, estimate.window_start_s) == ("raw-1", 6.0, 3.0)
    assert estimate.embedding.shape == (64,)
    assert sum(estimate.probabilities) == pytest.approx(1)

    EmotionCurve.objects.all().delete()
    curves.curves_queue(song_ids=[song.pk])
    while curves.curve_step():
        pass
    curve = EmotionCurve.objects.get()
    assert (curve.state, curve.window_s, len(curve.points)) == (EmotionCurve.State.DONE, 6.0, 2)

    asked = saliency.saliency_request(song=song)
    assert saliency.saliency_step() is False
    asked.refresh_from_db()
    assert (asked.state, asked.failure_code) == (SaliencyMap.State.FAILED, "no_saliency")
    page = client.get(reverse("emotion:song_saliency", args=[song.pk]), headers={"HX-Request": "true"}).content.decode()
    assert "This architecture does not support saliency maps." in page
    assert "Try again" not in page
    # People see a spectrogram of the same seconds, whatever the network reads.
    assert client.get(reverse("emotion:spectrogram", args=[song.pk])).content.startswith(b"\x89PNG")

    services.model_rollback()
    assert analysis.predictor_get().card.architecture == "efficientnet_b3"


LIU = """
title = "Simple network of Liu et al., small"
paper = "Liu et al., section 3.4"
architecture = "liu_simple"
[network]
maps = [8, 8, 8, 8]
hidden = [16]
[front_end]
name = "power_spectrogram"
size = 65
window_s = 6.0
[training]
learning_rate = 3.0e-3
epochs = 8
batch_size = 8
patience = 0
bf16 = false
"""


def test_a_system_of_the_zoo_is_trained_imported_promoted_and_serves(
    live: ModelVersion, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MOODPLANE_VAR, settings.MER_DATA = tmp_path / "var", tmp_path / "data"
    made_qaed(settings.MER_DATA, clips=10, seconds=6.0, artists=10)
    clips = DATASETS["4qaed"].load(settings.MER_DATA / "4qaed", tmp_path)
    HeldOut.of_clips(clips, SMALL_MEL).save(settings.MOODPLANE_HELD_OUT)
    (tmp_path / "liu_small.toml").write_text(LIU)
    for module in (systems, recipe):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    folders = {"work": tmp_path / "work", "runs": tmp_path / "runs", "results": tmp_path / "zoo.json"}
    call_command("zoo", "run", "liu_small", data=settings.MER_DATA, budget=1.0, **folders)

    weights = tmp_path / "runs" / "liu_small-artist5" / "folds" / "artist_grouped-0.safetensors"
    services.model_import_weights(weights=weights)
    checked = services.gate_check(version="liu_small-artist5-1")
    assert checked.gate["verdicts"][0]["passed"]
    assert checked.gate["verdicts"][1]["sentence"].startswith("It learned from 32 of the 40 held-out clips, such as ")
    services.model_promote(version="liu_small-artist5-1", force=True, reason="to see it serve")

    song = SongFactory(state=Song.State.QUEUED, duration_s=12.0)
    make_audio(Path(settings.MEDIA_ROOT) / str(song.audio.name), 12, codec="ogg", channels=1)
    try:
        assert songs_analyse() == [song.pk]
    finally:
        analysis.predictor_forget()
    estimate = song.estimates.get()
    assert (estimate.model_version, estimate.window_s) == ("liu_small-artist5-1", 6.0)
    assert sum(estimate.probabilities) == pytest.approx(1)
    nothing = Window(np.zeros(9, np.float32), 0.0, 6.0, False)
    with pytest.raises(SaliencyUnavailableError):
        hirescam(create_model("liu_simple").eval(), checkpoint.read_card(weights), nothing)
    services.model_rollback()
    assert str(live_model()) == live.version
