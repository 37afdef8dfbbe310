import json
from pathlib import Path

import pytest
import torch

from catalog.core.files import digest
from emotion.exceptions import CheckpointError
from emotion.inference import checkpoint
from emotion.inference.estimate import Reading
from emotion.inference.predict import Predictor
from emotion.zoo.efficientnet_b3 import EfficientNetB3
from emotion.zoo.frontends import MelConfig
from tests.emotion.conftest import SMALL, SMALL_MEL


def copy_of(weights: Path, folder: Path, **changes: object) -> Path:
    target = folder / weights.name
    target.write_bytes(weights.read_bytes())
    card = json.loads(checkpoint.card_path(weights).read_text()) | changes
    checkpoint.card_path(target).write_text(json.dumps(card))
    return target


def test_a_saved_network_loads_unchanged(small_network: EfficientNetB3, small_weights: Path) -> None:
    loaded, card = checkpoint.load(small_weights)
    assert (card.version, card.frontend, card.network, card.temperature) == ("small-1", SMALL_MEL, SMALL, 1.5)
    assert not loaded.training
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        # Half precision on disk costs three digits.
        assert torch.allclose(loaded(images)[0], small_network(images)[0], atol=0.02)


def test_a_damaged_file_is_refused(small_weights: Path, tmp_path: Path) -> None:
    target = copy_of(small_weights, tmp_path)
    damaged = bytearray(target.read_bytes())
    damaged[-1] ^= 1
    target.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="is not the file that its card describes"):
        checkpoint.load(target)


def test_a_file_that_holds_no_tensors_is_refused(small_weights: Path, tmp_path: Path) -> None:
    target = copy_of(small_weights, tmp_path)
    target.write_bytes(b"this is no safetensors")
    card = json.loads(target.with_suffix(".json").read_text())
    card["weights_sha256"] = digest(target)
    target.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match="does not fit"):
        checkpoint.load(target)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format_version": 99}, "has format 99; this program reads 1"),
        ({"classes": ["happy", "sad"]}, "has the classes"),
        ({"frontend": {"name": "log_mel_image", "n_mels": 128, "colour": "magma"}}, "cannot honour"),
        ({"network": {"backbone": "efficientnet-b1", "image_size": 64}}, "does not fit efficientnet_b3"),
        ({"architecture": "vgg"}, "cannot honour.*no architecture 'vgg'"),
        ({"frontend": {"name": "waveform"}}, "makes inputs of"),
        ({"network": [1]}, "cannot honour"),
        ({"temperature": 0}, "cannot honour.*temperature"),
        ({"reading": [1]}, "cannot honour"),
        ({"reading": {"valence": {"reach": -2.3}, "arousal": {}}}, "cannot honour.*reads no score"),
        ({"reading": {"valence": {}, "arousal": {"margin": float("nan")}}}, "cannot honour.*reads no score"),
    ],
)
def test_a_card_that_cannot_be_honoured_is_refused(
    small_weights: Path, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        checkpoint.load(copy_of(small_weights, tmp_path, **changes))


def test_a_card_of_before_the_zoo_loads_as_what_it_was(small_weights: Path, tmp_path: Path) -> None:
    target = copy_of(small_weights, tmp_path)
    card = json.loads(checkpoint.card_path(target).read_text())
    del card["architecture"]
    frontend = card.pop("frontend")
    del frontend["name"]
    checkpoint.card_path(target).write_text(json.dumps({**card, "mel": frontend}))
    (old, was), (new, now) = checkpoint.load(target), checkpoint.load(small_weights)
    assert was == now
    assert all(torch.equal(a, b) for a, b in zip(old.parameters(), new.parameters(), strict=True))


def test_other_classes_load_where_they_are_allowed(small_network: EfficientNetB3, tmp_path: Path) -> None:
    tags = ("tender", "wonder", "power", "peace")
    card = checkpoint.Card("tags", SMALL_MEL, SMALL, classes=tags)
    checkpoint.save(small_network, card, tmp_path / "tags.safetensors")
    with pytest.raises(CheckpointError, match="has the classes"):
        Predictor.load(tmp_path / "tags.safetensors")
    assert checkpoint.load(tmp_path / "tags.safetensors", classes=None)[1].classes == tags


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.json is missing"):
        checkpoint.load(tmp_path / "nothing.safetensors")


def test_the_shipped_model_is_the_hybrid_and_its_card_is_whole() -> None:
    network, card = checkpoint.load(checkpoint.shipped_weights())
    assert card.architecture == "hybrid_b3"
    assert card.network.backbone == "efficientnet-b3"
    assert card.frontend.image is not None
    assert (card.frontend.window_s, card.frontend.image.sample_rate_hz) == (24.0, 22_050)
    assert checkpoint.shipped_weights().stat().st_size < 30e6
    assert {"datasets", "split", "test", "commit"} <= card.facts.keys()
    assert all(torch.isfinite(weight).all() for weight in network.parameters())


def test_the_fast_model_is_the_efficientnet_of_the_hybrid() -> None:
    hybrid, _ = checkpoint.load(checkpoint.shipped_weights())
    fast, card = checkpoint.load(checkpoint.SHIPPED_DIR / "b3-fast.safetensors")
    assert isinstance(card.frontend, MelConfig)
    assert card.reading != Reading()
    mine = {name.removeprefix("image."): tensor for name, tensor in hybrid.state_dict().items()}
    assert all(torch.equal(tensor, mine[name]) for name, tensor in fast.state_dict().items())


def test_the_shipped_model_beats_its_floors_beyond_the_interval() -> None:
    scores = checkpoint.read_card(checkpoint.shipped_weights()).facts["test"]["model"]
    for dataset in ("4qaed", "emotify", "emopia"):
        assert scores[dataset]["macro_f1_interval"][0] > scores[dataset]["floor_macro_f1"], dataset
        assert scores[dataset]["accuracy"] > scores[dataset]["floor_accuracy"], dataset
