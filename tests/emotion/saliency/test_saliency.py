"""Why a song got its tag: asked for on its page, found by a worker, drawn over the spectrogram."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from catalog.core import claims
from catalog.models import Song
from emotion import tasks
from emotion.exceptions import NotExplainableError
from emotion.inference import checkpoint
from emotion.inference.estimate import Axis, Reading
from emotion.inference.predict import channels_last
from emotion.jobs import curves, saliency
from emotion.jobs.saliency import SALIENCY
from emotion.models import EmotionCurve, SaliencyMap
from emotion.saliency.saliency import Span, bands_that_weighed, hirescam, scores_of, seconds_that_weighed
from emotion.services.pictures import saliency_picture
from emotion.signal.audio import Window, read_window
from emotion.zoo.efficientnet_b3 import EfficientNetB3
from emotion.zoo.frontends import MelConfig, log_mel_image
from tests.audio_fixtures import make_audio
from tests.emotion.conftest import SMALL, SMALL_MEL
from tests.factories import EstimateFactory, SongFactory
from tests.messages import lose_messages, waiting_tasks

pytestmark = pytest.mark.slow

HTMX = {"HX-Request": "true"}
DEMO = Path(__file__).resolve().parents[3] / "catalog" / "demo"
VERSION = "small-1"
State = SaliencyMap.State


@pytest.fixture
def song(settings: Settings, small_model: Path, tmp_path: Path) -> Song:
    """A song that the small model tagged."""
    settings.MOODPLANE_VAR = tmp_path
    made: Song = EstimateFactory(song__duration_s=30.0, model_version=VERSION).song
    make_audio(Path(settings.MEDIA_ROOT) / str(made.audio.name), 30, codec="ogg", channels=1)
    return made


def url(song: Song) -> str:
    return reverse("emotion:song_saliency", args=[song.pk])


def picture_url(song: Song) -> str:
    return reverse("emotion:saliency_picture", args=[song.pk])


def explained(song: Song) -> SaliencyMap:
    found = saliency.saliency_request(song=song)
    tasks.explain_estimate()
    found.refresh_from_db()
    assert found.state == State.DONE
    return found


# --- Where the network looked -------------------------------------------------------------------------------------


def test_the_tag_is_explained_and_the_network_is_left_as_it_was(small_network: EfficientNetB3, tmp_path: Path) -> None:
    window = read_window(make_audio(tmp_path / "a.wav", 30))
    card = checkpoint.Card("t", SMALL_MEL, SMALL)
    inputs = SMALL_MEL.tensor(torch.from_numpy(log_mel_image(window.waveform, SMALL_MEL)[None]))
    with torch.inference_mode():
        before, _, *points = small_network(inputs)
    found = hirescam(small_network, card, window)
    with torch.inference_mode():
        assert torch.equal(before, small_network(inputs)[0])
    estimates = card.reading.estimates(before.numpy(), *(each.numpy() for each in points))
    assert found.quadrant.index == int(estimates.probabilities.argmax())
    assert found.heat.shape == (4, 4)
    assert found.heat.max() == pytest.approx(1)
    assert found.heat.min() >= 0
    assert all(parameter.grad is None for parameter in small_network.parameters())
    assert not any(block._forward_hooks for block in small_network.saliency_blocks())


def test_what_is_explained_is_the_score_that_is_served() -> None:
    draws = np.random.default_rng(0)
    logits, points = draws.normal(0, 3, (20, 4)), draws.uniform(-1, 1, (20, 2))
    reading = Reading(Axis(0.9, 1.4, 2.2), Axis(1.1, 0.6, 3.1))
    card = checkpoint.Card("any", SMALL_MEL, SMALL, temperature=1.7, reading=reading)
    for row in range(20):
        explained = scores_of(card, torch.from_numpy(logits[row : row + 1]), torch.from_numpy(points[row : row + 1]))
        served = reading.scores(logits[row : row + 1] / 1.7, points[row : row + 1])
        np.testing.assert_allclose(explained.numpy(), served[0], atol=1e-9)


@pytest.mark.parametrize("name", ["hybrid-b3", "b3-fast"])
def test_what_is_lit_matters_more_to_the_shipped_models_than_what_is_not(name: str) -> None:
    network, card = checkpoint.load(checkpoint.SHIPPED_DIR / f"{name}.safetensors")
    network = channels_last(network)
    config = card.frontend.image
    assert config is not None
    drops = {"lit": 0.0, "dark": 0.0}
    # Music: on made tones, the taggers outweigh the image.
    for song in sorted(DEMO.glob("*.opus"))[::4]:
        window = read_window(song, window_s=card.frontend.window_s)
        found = hirescam(network, card, window)
        prepared = card.frontend.prepare(window.waveform)
        image = log_mel_image(window.waveform, config)
        rows, columns = image.shape
        heat = np.asarray(Image.fromarray(found.heat).resize((columns, rows), Image.Resampling.BILINEAR))
        order = heat.ravel().argsort(kind="stable")
        n_fifth = len(order) // 5
        mean = np.repeat(image.mean(axis=1), columns)
        without = {"lit": image.copy(), "dark": image.copy()}
        for part, places in (("lit", order[-n_fifth:]), ("dark", order[:n_fifth])):
            without[part].ravel()[places] = mean[places]
        with torch.inference_mode():
            # The image comes first in what either model reads.
            batch = np.stack([prepared] * 3)
            for row, changed in zip(batch, (image, without["lit"], without["dark"]), strict=True):
                row.reshape(-1)[: image.size] = changed.ravel()
            logits = network(card.frontend.tensor(torch.from_numpy(batch)))[0][:, found.quadrant.index]
        drops["lit"] += float(logits[0] - logits[1])
        drops["dark"] += float(logits[0] - logits[2])
    assert drops["lit"] > drops["dark"] + 0.1


def test_seconds_and_bands_are_those_of_the_heat() -> None:
    heat = np.zeros((8, 12), np.float32)
    heat[0, 3:5] = 1
    window = Window(np.zeros(1, np.float32), 100.0, 24.0, False)
    config = MelConfig()
    assert seconds_that_weighed(heat, window, config) == [Span(106.0, 110.0, 1.0)]
    [band] = bands_that_weighed(heat, config)
    assert band.start == pytest.approx(config.f_min_hz)
    # Slaney's scale has 0.3 mel at 20 Hz and 49.9 at 11,025 Hz, and 66.7 Hz to a mel below 1 kHz.
    assert band.end == pytest.approx((0.3 + (49.91 - 0.3) / 8) * 200 / 3, abs=1)
    assert band.share == 1


def test_repetitions_of_a_short_song_are_not_named() -> None:
    heat = np.zeros((2, 12), np.float32)
    heat[:, [1, 9]] = 1
    window = Window(np.zeros(1, np.float32), 0.0, 8.0, True)
    assert seconds_that_weighed(heat, window, MelConfig()) == [Span(2.0, 4.0, 1.0)]


def test_nothing_stands_out_of_an_even_heat() -> None:
    heat = np.ones((4, 4), np.float32)
    assert bands_that_weighed(heat, MelConfig()) == []
    assert bands_that_weighed(np.zeros((4, 4), np.float32), MelConfig()) == []


# --- Asked for, and made once -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_asking_twice_makes_one_row_and_sends_one_message(
    song: Song, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as sent:
        first, again = saliency.saliency_request(song=song), saliency.saliency_request(song=song)
    assert first.pk == again.pk
    assert len(sent) == 1
    tasks.explain_estimate()
    assert saliency.saliency_step() is False
    found = SaliencyMap.objects.get()
    assert found.state == State.DONE
    assert found.heat.shape == (4, 4)
    assert found.window_start_s == pytest.approx(3)
    assert found.weighed.keys() == {"seconds", "bands_hz"}
    with django_capture_on_commit_callbacks() as sent:
        saliency.saliency_request(song=song)
    assert sent == []


@pytest.mark.django_db
def test_a_message_of_an_earlier_release_is_understood(song: Song) -> None:
    found = saliency.saliency_request(song=song)
    tasks.explain_tag(found.pk)
    found.refresh_from_db()
    assert found.state == State.DONE


@pytest.mark.django_db
def test_only_the_live_models_tag_can_be_explained(small_model: Path) -> None:
    with pytest.raises(NotExplainableError, match="by model old, and small-1 is live"):
        saliency.saliency_request(song=EstimateFactory(model_version="old").song)
    with pytest.raises(NotExplainableError, match="not analysed this song yet"):
        saliency.saliency_request(song=SongFactory())


@pytest.mark.django_db
def test_a_broken_file_fails_with_its_sentence_and_can_be_asked_for_again(song: Song) -> None:
    path = Path(song.audio.path)
    whole = path.read_bytes()
    path.write_bytes(b"nonsense")
    found = saliency.saliency_request(song=song)
    assert saliency.saliency_step() is False
    found.refresh_from_db()
    assert (found.state, found.failure_code) == (State.FAILED, "not_decodable")
    path.write_bytes(whole)
    assert saliency.saliency_request(song=song).state == State.WAITING
    assert saliency.saliency_step() is True


@pytest.mark.django_db
def test_a_lost_message_is_sent_again_and_a_lost_worker_is_replaced(song: Song) -> None:
    saliency.saliency_request(song=song)
    claims.tick()
    # Said once, not at every tick.
    claims.tick()
    assert waiting_tasks() == ["emotion.tasks.explain_estimate"]
    assert len(SALIENCY.claim()) == 1
    lose_messages()
    SaliencyMap.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    claims.tick()
    assert waiting_tasks() == ["emotion.tasks.explain_estimate"]
    assert saliency.saliency_step() is True


@pytest.mark.django_db
def test_a_reanalysis_evicts_the_explanation_and_its_picture(song: Song, client: Client) -> None:
    found = explained(song)
    assert client.get(picture_url(song)).status_code == 200
    picture = saliency_picture(found)
    assert picture.exists()
    saliency.saliency_prepare()
    assert picture.exists()
    song.estimates.update(is_current=False)
    EstimateFactory(song=song, model_version="newer")
    assert client.get(picture_url(song)).status_code == 404
    saliency.saliency_prepare()
    assert not picture.exists()
    assert not SaliencyMap.objects.exists()


@pytest.mark.django_db
def test_after_an_explanation_the_curves_go_on(song: Song) -> None:
    curves.curves_queue(song_ids=[song.pk])
    saliency.saliency_request(song=song)
    assert curves.curve_step() is False
    tasks.explain_estimate()
    assert "emotion.tasks.curves_go_on" in waiting_tasks()
    tasks.curves_go_on()
    assert EmotionCurve.objects.get().state == State.DONE


# --- Pages --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_picture_is_drawn_once_and_differs_from_the_plain_one(song: Song, client: Client) -> None:
    assert client.get(picture_url(song)).status_code == 404
    found = explained(song)
    first = client.get(picture_url(song))
    lit = Image.open(BytesIO(first.content))
    plain = Image.open(BytesIO(client.get(reverse("emotion:spectrogram", args=[song.pk])).content))
    assert lit.size == plain.size == (720, 300)
    assert np.any(np.asarray(lit) != np.asarray(plain))
    assert client.get(picture_url(song), headers={"If-None-Match": first["ETag"]}).status_code == 304
    before = saliency_picture(found).stat().st_mtime_ns
    client.get(picture_url(song))
    assert saliency_picture(found).stat().st_mtime_ns == before


@pytest.mark.django_db
def test_the_panel_offers_then_waits_then_explains(song: Song, client: Client) -> None:
    page = client.get(url(song), headers=HTMX).content.decode()
    assert "Show what mattered for" in page
    assert "hx-trigger" not in page
    page = client.post(url(song), headers=HTMX).content.decode()
    assert 'hx-trigger="every 2s"' in page
    explained(song)
    page = client.get(url(song), headers=HTMX).content.decode()
    assert "hx-trigger" not in page
    assert "saliency.png" in page
    assert "What mattered most for" in page or "No second and no frequency band" in page


@pytest.mark.django_db
def test_it_works_without_javascript_and_without_an_account(song: Song, client: Client) -> None:
    answer = client.post(url(song))
    assert answer["Location"] == reverse("recommender:song_detail", args=[song.pk]) + "#saliency"
    assert SaliencyMap.objects.get().song == song


@pytest.mark.django_db
def test_looking_asks_for_nothing(song: Song, client: Client) -> None:
    client.get(url(song), headers=HTMX)
    client.get(reverse("recommender:song_detail", args=[song.pk]))
    assert not SaliencyMap.objects.exists()


@pytest.mark.django_db
def test_a_closed_site_explains_nothing_to_strangers(song: Song, client: Client, settings: Settings) -> None:
    settings.MOODPLANE_PUBLIC = False
    assert client.post(url(song)).status_code in (302, 401, 403)
    assert client.get(picture_url(song)).status_code in (302, 401, 403)
    assert not SaliencyMap.objects.exists()


@pytest.mark.django_db
def test_why_it_cannot_be_explained_is_said(small_model: Path, client: Client) -> None:
    song = EstimateFactory(model_version="old").song
    page = client.post(url(song), headers=HTMX).content.decode()
    assert "This estimate is by model old, and small-1 is live" in page
    assert "hx-trigger" not in page
    followed: Any = client.post(url(song), follow=True)
    assert "This estimate is by model old" in followed.content.decode()
    assert client.post(reverse("emotion:song_saliency", args=[4711])).status_code == 404
