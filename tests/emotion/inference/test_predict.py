from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.exceptions import AudioUnreadableError, DeviceUnavailableError
from emotion.inference import checkpoint
from emotion.inference.predict import (
    TOLERANCE,
    OpenVinoEngine,
    Prediction,
    Predictor,
    TorchEngine,
    device_of,
    make_engine,
)
from emotion.inference.quadrants import Quadrant
from emotion.zoo.efficientnet_b3 import EfficientNetB3
from tests.audio_fixtures import make_audio
from tests.emotion.conftest import SMALL, SMALL_MEL

pytestmark = pytest.mark.slow


def softmax(logits: np.ndarray) -> np.ndarray:
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = scaled / scaled.sum(axis=1, keepdims=True)
    return probabilities


@pytest.mark.parametrize("name", ["hybrid-b3", "b3-fast"])
def test_engines_agree_on_the_shipped_models(name: str) -> None:
    network, card = checkpoint.load(checkpoint.SHIPPED_DIR / f"{name}.safetensors")
    rng = np.random.default_rng(0)
    fading = np.linspace(0.5, 0, 24 * 22_050, dtype=np.float32)
    waveforms = [fading * rng.normal(size=fading.size).astype(np.float32) ** power for power in (1, 2, 3)]
    prepared = np.stack([card.frontend.prepare(waveform) for waveform in waveforms])
    by_vino = OpenVinoEngine(network, card.frontend).run(prepared)
    by_torch = TorchEngine(network, card.frontend).run(prepared)
    one, other = (
        card.reading.estimates(outputs.logits / card.temperature, outputs.points) for outputs in (by_torch, by_vino)
    )
    assert np.abs(one.probabilities - other.probabilities).max() < TOLERANCE
    lengths = np.linalg.norm(by_torch.embeddings, axis=1) * np.linalg.norm(by_vino.embeddings, axis=1)
    assert (np.sum(by_torch.embeddings * by_vino.embeddings, axis=1) / lengths).min() > 0.999
    assert np.abs(one.valence - other.valence).max() < TOLERANCE
    assert np.abs(one.arousal - other.arousal).max() < TOLERANCE


def test_openvino_reports_to_no_one() -> None:
    from openvino.tools.ovc import telemetry_stub, telemetry_utils

    assert telemetry_utils.tm is telemetry_stub


def test_cuda_that_is_not_there_is_refused(small_network: EfficientNetB3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceUnavailableError, match="CUDA was asked for"):
        make_engine(small_network, SMALL_MEL, engine="torch", device="cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(DeviceUnavailableError, match="runs on the CPU only"):
        make_engine(small_network, SMALL_MEL, engine="openvino", device="cuda")


@pytest.mark.parametrize(
    ("name", "n_gpus", "sentence"),
    [
        ("cuda", 0, "CUDA was asked for, but torch sees no CUDA device on this machine."),
        ("cuda:7", 0, "CUDA was asked for, but torch sees no CUDA device on this machine."),
        ("cuda:7", 1, "cuda:7 was asked for, but this machine has only cuda:0."),
        ("cuda:4", 4, "cuda:4 was asked for, but this machine has only cuda:0 to cuda:3."),
        ("gpu", 1, "There is no device 'gpu'; it can be auto, cpu, cuda or cuda:1."),
        ("cuda:-1", 1, "There is no device 'cuda:-1'; it can be auto, cpu, cuda or cuda:1."),
        ("", 0, "There is no device ''; it can be auto, cpu, cuda or cuda:1."),
    ],
)
def test_a_device_that_is_not_there_is_a_sentence(
    name: str, n_gpus: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: n_gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_gpus)
    with pytest.raises(DeviceUnavailableError) as refused:
        device_of(name)
    assert str(refused.value) == sentence


def test_a_device_that_is_there_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert device_of("auto") == device_of("cpu") == torch.device("cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert device_of("cpu") == torch.device("cpu")
    assert device_of("auto") == device_of("cuda") == torch.device("cuda", 0)
    assert device_of("cuda:1") == torch.device("cuda", 1)


def test_predictions_come_in_order_and_bad_files_do_not_stop_the_others(small_weights: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(small_weights, engine="torch", device="cpu")
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"nonsense")
    paths = [make_audio(tmp_path / f"{i}.wav", 6, seed=i) for i in range(5)]
    paths.insert(2, bad)
    results = list(predictor.predict(paths))
    assert [isinstance(result, Prediction) for result in results] == [True, True, False, True, True, True]
    assert isinstance(results[2], AudioUnreadableError)
    alone = [next(predictor.predict([path])) for path in paths if path != bad]
    together = [result for result in results if isinstance(result, Prediction)]
    for one, other in zip(alone, together, strict=True):
        assert isinstance(one, Prediction)
        assert np.allclose(one.probabilities, other.probabilities, atol=1e-4)


def test_a_prediction_is_consistent_with_itself(small_weights: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(small_weights, engine="torch", device="cpu")
    prediction = next(predictor.predict([make_audio(tmp_path / "a.wav", 6)]))
    assert isinstance(prediction, Prediction)
    assert prediction.probabilities.sum() == pytest.approx(1)
    assert prediction.quadrant.index == prediction.probabilities.argmax()
    assert Quadrant.from_valence_arousal(prediction.valence, prediction.arousal) == prediction.quadrant
    assert np.linalg.norm(prediction.embedding) == pytest.approx(1, abs=1e-5)
    assert prediction.is_partial
    assert prediction.window_s == pytest.approx(6, abs=0.01)


def test_temperature_softens_but_does_not_reorder(small_network: EfficientNetB3, tmp_path: Path) -> None:
    path = make_audio(tmp_path / "a.wav", 6)
    engine = TorchEngine(small_network, SMALL_MEL)
    sharp, soft = (
        next(Predictor(checkpoint.Card("t", SMALL_MEL, SMALL, temperature), engine).predict([path]))
        for temperature in (0.5, 5.0)
    )
    assert isinstance(sharp, Prediction)
    assert isinstance(soft, Prediction)
    assert sharp.quadrant == soft.quadrant
    assert sharp.probabilities.max() > soft.probabilities.max()
