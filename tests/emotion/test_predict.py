from pathlib import Path

import numpy as np
import pytest

from emotion import checkpoint
from emotion.engines import TOLERANCE, OpenVinoEngine, TorchEngine, make_engine
from emotion.exceptions import AudioUnreadableError, DeviceUnavailableError
from emotion.network import QuadrantNetwork
from emotion.predict import Prediction, Predictor
from tests.audio_fixtures import make_audio


def softmax(logits: np.ndarray) -> np.ndarray:
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    return scaled / scaled.sum(axis=1, keepdims=True)


def test_engines_agree_on_the_shipped_model() -> None:
    network, card = checkpoint.load(checkpoint.shipped_weights())
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(3, 300, 300)).astype(np.float32) * np.linspace(1, 0, 300, dtype=np.float32)[:, None]
    torch_logits, torch_embedding = TorchEngine(network).run(images)
    vino_logits, vino_embedding = OpenVinoEngine(network).run(images)
    gap = np.abs(softmax(torch_logits / card.temperature) - softmax(vino_logits / card.temperature))
    assert gap.max() < TOLERANCE
    cosine = np.sum(torch_embedding * vino_embedding, axis=1)
    cosine /= np.linalg.norm(torch_embedding, axis=1) * np.linalg.norm(vino_embedding, axis=1)
    assert cosine.min() > 0.999


def test_cuda_that_is_not_there_is_refused(small_network: QuadrantNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceUnavailableError, match="CUDA was asked for"):
        make_engine(small_network, engine="torch", device="cuda")
    with pytest.raises(DeviceUnavailableError, match="runs on the CPU only"):
        make_engine(small_network, engine="openvino", device="cuda")


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
    p1, p2, p3, p4 = prediction.probabilities
    assert prediction.valence == pytest.approx(p1 + p4 - p2 - p3)
    assert prediction.arousal == pytest.approx(p1 + p2 - p3 - p4)
    assert np.linalg.norm(prediction.embedding) == pytest.approx(1, abs=1e-5)
    assert prediction.is_partial
    assert prediction.window_s == pytest.approx(6, abs=0.01)


def test_temperature_softens_but_does_not_reorder(small_network: QuadrantNetwork, tmp_path: Path) -> None:
    from emotion.checkpoint import Card
    from tests.emotion.conftest import SMALL, SMALL_MEL

    path = make_audio(tmp_path / "a.wav", 6)
    engine = TorchEngine(small_network)
    sharp, soft = (
        next(Predictor(Card("t", SMALL_MEL, SMALL, temperature), engine).predict([path])) for temperature in (0.5, 5.0)
    )
    assert isinstance(sharp, Prediction)
    assert isinstance(soft, Prediction)
    assert sharp.quadrant == soft.quadrant
    assert sharp.probabilities.max() > soft.probabilities.max()
