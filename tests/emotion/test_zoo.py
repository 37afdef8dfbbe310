"""What every architecture promises, whatever it reads: one contract for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from emotion.exceptions import CheckpointError, SaliencyUnavailableError
from emotion.inference import checkpoint
from emotion.inference.predict import TOLERANCE, OpenVinoEngine, TorchEngine, for_songs, softmax
from emotion.saliency.saliency import hirescam
from emotion.signal.audio import Window
from emotion.zoo.frontends import FrontEnd
from emotion.zoo.registry import (
    EMBEDDING_SIZE,
    Architecture,
    HeadedNetwork,
    Network,
    architecture,
    create_model,
    list_models,
)
from tests import zoo_members
from tests.audio_fixtures import make_waveform

pytestmark = pytest.mark.zoo
N_CLIPS = 8
TARGETS = torch.arange(N_CLIPS) // 2
STEPS = 150


@pytest.fixture(autouse=True)
def _tiny_members() -> Iterator[None]:
    with zoo_members.registered():
        yield


@pytest.fixture(params=[*list_models(), *zoo_members.NAMES])
def member(request: pytest.FixtureRequest) -> Architecture:
    """An architecture."""
    return architecture(request.param)


def small(member: Architecture) -> tuple[FrontEnd, Network]:
    """Return its small front end, and a small network with seeded weights."""
    torch.manual_seed(3)
    frontend, config = member.small or (member.front_end, None)
    return frontend, create_model(member.name, config)


def clips(frontend: FrontEnd) -> np.ndarray:
    """Return eight made clips, two of each quadrant, as the front end prepares them."""
    notes = (110.0, 330.0, 990.0, 2970.0)
    waveforms = [make_waveform(7, channels=1, frequency_hz=notes[i // 2] * (1 + 0.01 * i)) for i in range(N_CLIPS)]
    return np.stack([frontend.prepare(waveform[:, 0]) for waveform in waveforms])


def fitted(member: Architecture) -> tuple[FrontEnd, Network, np.ndarray]:
    """Return a network that knows the eight clips by heart."""
    frontend, network = small(member)
    prepared = clips(frontend)
    inputs = frontend.tensor(torch.from_numpy(prepared))
    if (fit := getattr(network, "fit", None)) is not None:
        fit(inputs, TARGETS)
    else:
        overfit(for_songs(network, frontend), inputs)
    return frontend, network.eval(), prepared


def overfit(network: nn.Module, inputs: Tensor) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, HeadedNetwork):
            module.skip_no_block()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    network.train()
    for _ in range(STEPS):
        loss = nn.functional.cross_entropy(network(inputs)[0], TARGETS)
        if loss.item() < 0.05:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
    # Running statistics lag behind so few steps; training used those of the eight clips.
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        network(inputs)


def test_its_metadata_is_whole(member: Architecture) -> None:
    with torch.device("meta"):
        network = member.build(member.config())
    assert sum(weight.numel() for weight in network.parameters()) == member.parameters
    assert member.config().input_shape == member.front_end.input_shape
    assert all([member.title, member.paper, member.licence, member.front_end.name, member.front_end.describe()])
    assert network.forward.__qualname__ != Network.forward.__qualname__


def test_shapes_and_gradients(member: Architecture) -> None:
    frontend, network = small(member)
    prepared = clips(frontend)
    assert prepared.shape == (N_CLIPS, *frontend.prepared_shape)
    inputs = frontend.tensor(torch.from_numpy(prepared))
    chunks = (frontend.chunks,) if frontend.chunks > 1 else ()
    assert inputs.shape == (N_CLIPS, *chunks, *frontend.input_shape)
    logits, embeddings, *points = for_songs(network.train(), frontend)(inputs)[:3]
    assert (logits.shape, embeddings.shape) == ((N_CLIPS, 4), (N_CLIPS, EMBEDDING_SIZE))
    assert all(found.shape == (N_CLIPS, 2) and found.abs().max() <= 1 for found in points)
    assert all(found.isfinite().all() for found in (logits, embeddings, *points))
    assert any(weight.requires_grad for weight in network.parameters()) is not hasattr(network, "fit")
    if not hasattr(network, "fit"):
        sum(found.square().sum() for found in (logits, *points)).backward()
        assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_it_learns_eight_clips_by_heart_and_keeps_them(member: Architecture, tmp_path: Path) -> None:
    frontend, network, prepared = fitted(member)
    card = checkpoint.Card("made", frontend, network.config, architecture=member.name)
    checkpoint.save(network, card, tmp_path / "made.safetensors")
    loaded, read = checkpoint.load(tmp_path / "made.safetensors")
    assert (read.architecture, read.frontend, read.network) == (member.name, frontend, network.config)

    first, *others = (
        engine.run(prepared)
        for engine in (
            TorchEngine(network, frontend),
            TorchEngine(network, frontend),
            TorchEngine(loaded, read.frontend),
            OpenVinoEngine(loaded, read.frontend),
        )
    )
    said = softmax(first.logits, 1.0)
    # A floor learns nothing but shares.
    assert member.name == "majority" or (said.argmax(axis=1) == TARGETS.numpy()).all()
    assert np.array_equal(others[0].logits, first.logits), "in evaluation mode nothing is drawn"
    for other in others[1:]:
        assert np.abs(softmax(other.logits, 1.0) - said).max() < TOLERANCE
        assert np.abs(other.embeddings - first.embeddings).max() < TOLERANCE * max(1.0, np.abs(first.embeddings).max())


def test_it_says_where_it_looked_or_that_it_cannot(member: Architecture) -> None:
    frontend, network = small(member)
    if member.has_saliency and hasattr(network, "fit"):
        frontend, network, _ = fitted(member)
    card = checkpoint.Card("made", frontend, network.config, architecture=member.name)
    window = Window(make_waveform(24, channels=1)[:, 0], 0.0, 24.0, False)
    if member.has_saliency:
        heat = hirescam(network.eval(), card, window).heat
        assert heat.min() >= 0
        assert heat.max() == pytest.approx(1)
    else:
        with pytest.raises(SaliencyUnavailableError, match="This architecture does not support saliency maps"):
            hirescam(network.eval(), card, window)


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"no architecture 'b4'; known are .*efficientnet_b3"):
        create_model("b4")


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="two architectures called tiny_raw"), zoo_members.registered():
        pass
