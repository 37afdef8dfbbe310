"""The architectures of Louro et al.: what they read, what they keep, and how they read time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from emotion.exceptions import CheckpointError
from emotion.zoo.conv_blocks import ConvBlock, completed, frames_in_a_row, frames_in_channels
from emotion.zoo.embedding import Embedding
from emotion.zoo.frontends import Features, FrontEnd, ImageAndFeatures, MelConfig, TaggerMel, front_end_of
from emotion.zoo.hybrid_b3 import Tagger
from emotion.zoo.louro_autoencoder import Autoencoder, AutoencoderConfig, LouroAutoencoderRf, LouroAutoencoderRfConfig
from emotion.zoo.louro_cnn import LOURO_MEL, LouroCnn, LouroCnnConfig
from emotion.zoo.louro_cnn_gru import LouroCnnGru, LouroCnnGruConfig
from emotion.zoo.louro_crnn import LouroCrnn, LouroCrnnConfig
from emotion.zoo.louro_crnn_transfer import LouroCrnnTransfer, LouroCrnnTransferConfig
from emotion.zoo.louro_embeddings_rf import LouroEmbeddingsRf, LouroEmbeddingsRfConfig
from emotion.zoo.louro_hybrid import LouroHybrid, LouroHybridConfig
from emotion.zoo.louro_samplecnn import LouroSampleCnn, LouroSampleCnnConfig
from emotion.zoo.louro_shortchunk import LouroShortChunk, LouroShortChunkConfig
from emotion.zoo.recurrent import LastStep
from emotion.zoo.registry import EMBEDDING_SIZE, Network
from tests.audio_fixtures import make_waveform

OF_IMAGES: dict[str, Callable[[], Network]] = {
    "louro_cnn": lambda: LouroCnn(LouroCnnConfig(channels=(4, 4, 4, 4, 8))),
    "louro_cnn_gru": lambda: LouroCnnGru(LouroCnnGruConfig(channels=(4, 4, 4, 4, 8), n_hidden=8)),
    "louro_crnn": lambda: LouroCrnn(LouroCrnnConfig(channels=(4, 4, 4, 8))),
    "louro_crnn_transfer": lambda: LouroCrnnTransfer(LouroCrnnTransferConfig(n_maps=8)),
    "louro_shortchunk": lambda: LouroShortChunk(LouroShortChunkConfig(channels=(4, 4, 4, 4, 4, 4, 8))),
}
RECURRENT = ("louro_cnn_gru", "louro_crnn", "louro_crnn_transfer")


def _network(name: str) -> Network:
    torch.manual_seed(2)
    return OF_IMAGES[name]().eval()


@torch.inference_mode()
def _outputs(network: Network, inputs: Tensor) -> Tensor:
    logits: Tensor
    logits, embedding = network(inputs)
    assert (logits.shape, embedding.shape) == ((len(inputs), 4), (len(inputs), EMBEDDING_SIZE))
    assert logits.isfinite().all()
    assert embedding.isfinite().all()
    return logits


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("columns", [1, 6, 41, 500])
def test_an_image_of_any_number_of_frames_is_read(name: str, columns: int) -> None:
    network = _network(name)
    rows = network.config.image_size[0]
    _outputs(network, torch.randn(2, 3, rows, columns))


@pytest.mark.parametrize("n_samples", [3, 2187, 20_000])
def test_a_waveform_of_any_length_is_read(n_samples: int) -> None:
    network = LouroSampleCnn(LouroSampleCnnConfig(channels=(4, 4, 8, 8, 8, 8))).eval()
    _outputs(network, torch.randn(2, 1, n_samples))


def test_the_sample_cnn_reduces_59049_samples_to_one_step() -> None:
    network = LouroSampleCnn(LouroSampleCnnConfig()).eval()
    steps: list[int] = []
    network.last.register_forward_hook(lambda _, inputs, __: steps.append(inputs[0].shape[-1]))
    _outputs(network, torch.randn(1, 1, 59_049))
    assert steps == [1]


@pytest.mark.parametrize("width", [1, 3, 4, 5, 8, 30])
def test_a_completed_pool_is_one_that_rounds_up(width: int) -> None:
    maps = torch.randn(2, 3, 4, width)
    pooled = nn.functional.max_pool2d(completed(maps, 4), (2, 4))
    assert torch.equal(pooled, nn.functional.max_pool2d(maps, (2, 4), ceil_mode=True))


def test_a_block_of_the_taggers_leaves_out_what_fills_no_pool() -> None:
    block = ConvBlock(1, 2, (2, 4)).eval()
    assert block(torch.randn(1, 1, 4, 11)).shape == (1, 2, 2, 2)


def test_frames_are_put_back_in_a_row() -> None:
    mel = MelConfig(hop_samples=1024, frames_as_channels=True, window_s=2.0)
    prepared = torch.rand(2, *mel.prepared_shape)
    inputs = mel.tensor(prepared)
    assert torch.allclose(frames_in_a_row(inputs)[:, 0], (prepared - 0.5) / 0.25, atol=1e-6)
    assert torch.equal(frames_in_channels(frames_in_a_row(inputs)), inputs)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrence_is_over_time_and_not_over_the_batch(name: str) -> None:
    network = _network(name)
    # Louder and louder, each clip by another amount.
    inputs = torch.randn(5, 3, 96, 260) + torch.linspace(-3, 3, 260) * torch.linspace(0.2, 1, 5)[:, None, None, None]
    said = _outputs(network, inputs)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert (said[order] - said).abs().max() > 1e-4
    assert torch.allclose(_outputs(network, inputs[order]), said[order], atol=2e-6)
    assert torch.allclose(_outputs(network, inputs[1:2]), said[1:2], atol=2e-6)
    assert (_outputs(network, inputs.flip(3)) - said).abs().max() > 1e-4


def test_the_last_step_depends_on_the_order_of_the_steps_alone() -> None:
    torch.manual_seed(1)
    recurrent = LastStep(6, 8)
    maps = torch.randn(4, 6, 1, 9)
    said = recurrent(maps)
    assert torch.allclose(recurrent(maps[[2, 3, 0, 1]]), said[[2, 3, 0, 1]], atol=1e-6)
    assert (recurrent(maps[..., [7, 2, 5, 0, 3, 6, 1, 4, 8]]) - said).abs().max() > 1e-3
    # Each step is read once, the last one last.
    one_more = recurrent(torch.cat([maps, torch.zeros(4, 6, 1, 1)], dim=3))
    assert (one_more - said).abs().max() > 1e-3


@pytest.mark.parametrize("name", RECURRENT)
def test_the_last_step_remembers_the_first(name: str) -> None:
    network = _network(name)
    changed = (inputs := torch.randn(1, 3, 96, 130)).clone()
    changed[..., :20] += 3
    assert not torch.allclose(_outputs(network, changed), _outputs(network, inputs), atol=1e-6)


def test_the_baseline_has_the_layers_of_choi() -> None:
    found = [
        (block.conv.in_channels, block.conv.out_channels, block.mp.kernel_size)
        for block in LouroCnn(LouroCnnConfig()).modules()
        if isinstance(block, ConvBlock)
    ]
    assert found == [
        (1, 64, (2, 4)),
        (64, 128, (2, 4)),
        (128, 128, (2, 4)),
        (128, 128, (3, 5)),
        (128, 64, (4, 4)),
    ]


def _made_vgg(path: Path, n_maps: int) -> dict[str, Tensor]:
    torch.manual_seed(4)
    state = {}
    for number in range(6):
        width = n_maps if number else 1
        if number:
            state[f"c{number}.weight"] = torch.randn(n_maps, n_maps if number > 1 else 1, 3, 3)
            state[f"c{number}.bias"] = torch.randn(n_maps)
        state |= {f"bn{number}.{name}": torch.rand(width) + 0.5 for name in ("weight", "bias", "running_mean")}
        state |= {f"bn{number}.running_var": torch.rand(width) + 0.5}
        state |= {f"bn{number}.num_batches_tracked": torch.tensor(1)}
    save_file(state, path)
    return state


def test_the_transferred_convolutions_are_those_of_the_tagger(tmp_path: Path) -> None:
    state = _made_vgg(tmp_path / "vgg.safetensors", 8)
    network = _network("louro_crnn_transfer")
    assert isinstance(network, LouroCrnnTransfer)
    network.load_taggers([tmp_path / "vgg.safetensors"])
    # The public network has time first.
    measured = torch.rand(1, 1, 192, 96)
    theirs = _norm(measured, state, 0)
    for number, (window, stride) in enumerate([((4, 1), 2), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4)], 1):
        maps = nn.functional.conv2d(theirs, state[f"c{number}.weight"], state[f"c{number}.bias"], padding=1)
        theirs = nn.functional.max_pool2d(_norm(torch.relu(maps), state, number), window, stride)
    ours = network.blocks(network.spec_bn(measured.transpose(2, 3))).transpose(2, 3)
    assert theirs.shape[2] <= ours.shape[2]
    # What fills no window counts here, at the end.
    assert torch.allclose(ours[:, :, : theirs.shape[2] - 1], theirs[:, :, :-1], atol=1e-3)


def _norm(maps: Tensor, state: dict[str, Tensor], number: int) -> Tensor:
    mean, var, weight, bias = (state[f"bn{number}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
    return nn.functional.batch_norm(maps, mean, var, weight, bias, eps=1e-3)


def test_its_spectrogram_is_that_of_the_tagger() -> None:
    # A full-scale sine of 1 kHz through librosa's mel spectrogram as musicnn measures it.
    import librosa

    waveform = make_waveform(3, channels=1, frequency_hz=1000.0)[:, 0]
    at_16k = librosa.resample(waveform, orig_sr=22_050, target_sr=16_000)
    power = librosa.feature.melspectrogram(y=at_16k, sr=16_000, n_fft=512, hop_length=256, n_mels=96)
    wanted = np.log10(1e4 * power + 1)[:, 20:-20].max(axis=1)
    mel = replace(LOURO_MEL, window_s=3.0)
    inputs = mel.tensor(torch.from_numpy(mel.prepare(waveform)[None]))
    network = _network("louro_crnn_transfer")
    read: list[Tensor] = []
    network.get_submodule("spec_bn").register_forward_hook(lambda _, inputs, __: read.append(inputs[0]))
    _outputs(network, inputs)
    found = read[0][0, 0, :, 20:-20].amax(dim=1).numpy()
    assert found.argmax() == wanted.argmax()
    assert found.max() == pytest.approx(wanted.max(), abs=0.1)


@pytest.mark.parametrize("content", [None, b"nothing", "other"])
def test_another_file_is_no_tagger(content: bytes | str | None, tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    if content == "other":
        _made_vgg(path, 4)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    network = _network("louro_crnn_transfer")
    assert isinstance(network, LouroCrnnTransfer)
    with pytest.raises(CheckpointError, match="does not hold the weights of musicnn's VGG"):
        network.load_taggers([path])


def test_the_forest_reads_the_taggers_that_are_loaded(tmp_path: Path) -> None:
    torch.manual_seed(5)
    taggers = [Tagger().eval() for _ in range(2)]
    files = [tmp_path / "first.pth", tmp_path / "second.pth"]
    for tagger, file in zip(taggers, files, strict=True):
        torch.save({**tagger.state_dict(), "dense.weight": torch.zeros(50, 64)}, file)
    network = LouroEmbeddingsRf(LouroEmbeddingsRfConfig(n_trees=5, tagger_frames=320)).eval()
    network.load_taggers(files)
    inputs = torch.randn(2, 1, 96, 320)
    assert torch.equal(network.features(inputs), torch.cat([tagger(inputs) for tagger in taggers], dim=1))
    (tmp_path / "third.pth").write_bytes(b"nothing")
    torch.save({"dense.weight": torch.zeros(50, 64)}, tmp_path / "fourth.pth")
    for name in ("third.pth", "fourth.pth", "fifth.pth"):
        with pytest.raises(CheckpointError, match="does not hold the weights of a public tagger"):
            network.load_taggers([files[0], tmp_path / name])


def _hybrid(n_features: int = 20) -> tuple[LouroHybrid, int]:
    torch.manual_seed(6)
    config = LouroHybridConfig((96, 30), n_features, channels=(4, 4, 4, 4, 8), hidden=(16, 8))
    return LouroHybrid(config), 3 * 96 * 30


def test_the_hybrid_reads_the_image_and_the_features() -> None:
    network, n_image = _hybrid()
    inputs = torch.randn(6, n_image + 20)
    said = _outputs(network.eval(), inputs)
    for part in (slice(n_image), slice(n_image, None)):
        changed = inputs.clone()
        changed[:, part] += torch.randn_like(changed[:, part])
        assert not torch.allclose(_outputs(network, changed), said, atol=1e-5)


def test_the_hybrid_does_not_care_for_the_units_of_features() -> None:
    units = torch.tensor([1e-4] * 10 + [1e4] * 10)
    said = []
    for scale in (torch.ones(20), units):
        network, n_image = _hybrid()
        inputs = torch.randn(64, n_image + 20, generator=torch.Generator().manual_seed(1))
        inputs[:, n_image:] = (inputs[:, n_image:] + 3) * scale
        network.scaler.momentum = None
        network.train()
        with torch.no_grad():
            network(inputs)
        said.append(_outputs(network.eval(), inputs))
    assert torch.allclose(said[0], said[1], atol=1e-3)


def test_the_hybrid_takes_a_trained_trunk() -> None:
    network, _ = _hybrid()
    baseline = LouroCnn(LouroCnnConfig((96, 30), (4, 4, 4, 4, 8)))
    network.trunk.load_state_dict(baseline.trunk.state_dict())
    image = torch.randn(2, 3, 96, 30)
    assert torch.equal(network.eval().trunk(image), baseline.eval().trunk(image))


SMALL_AUTOENCODER = AutoencoderConfig((96, 21), (4, 8, 8), 16)


@pytest.mark.parametrize("columns", [21, 25, 32])
def test_the_autoencoder_returns_what_it_reads_in_shape(columns: int) -> None:
    autoencoder = Autoencoder(replace(SMALL_AUTOENCODER, image_size=(96, columns))).eval()
    inputs = torch.randn(3, 3, 96, columns)
    codes = autoencoder.encoder(inputs)
    assert codes.shape == (3, 16)
    assert autoencoder.decoder((codes[:1] + codes[1:2]) / 2).shape == (1, 3, 96, columns)
    assert autoencoder.losses(inputs).shape == (3,)


def test_the_autoencoder_learns_to_tell_images_apart() -> None:
    torch.manual_seed(8)
    autoencoder = Autoencoder(SMALL_AUTOENCODER)
    bands = torch.zeros(4, 3, 96, 21)
    for i in range(4):
        bands[i, :, 24 * i : 24 * i + 24] = 1
    optimiser = torch.optim.Adam(autoencoder.parameters(), lr=3e-3)
    for _ in range(80):
        loss = autoencoder.losses(bands).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.3 * bands.var().item()
    assert all(weight.grad is not None for weight in autoencoder.parameters())


def test_the_forest_reads_the_codes_of_a_trained_encoder() -> None:
    torch.manual_seed(9)
    autoencoder = Autoencoder(SMALL_AUTOENCODER).eval()
    config = LouroAutoencoderRfConfig(n_trees=20, image_size=(96, 21), channels=(4, 8, 8), n_latent=16)
    assert config.autoencoder == SMALL_AUTOENCODER
    network = LouroAutoencoderRf(config)
    network.encoder.load_state_dict(autoencoder.encoder.state_dict())
    inputs, quadrants = torch.randn(40, 3, 96, 21), torch.arange(40) % 4
    inputs[quadrants == 1] += 1
    network.fit(inputs, quadrants)
    assert torch.equal(network.features(inputs), autoencoder.encoder(inputs))
    assert network(inputs)[0][quadrants == 1].argmax(dim=1).eq(1).all()
    assert not any(weight.requires_grad for weight in network.parameters())


SMALL_MEL = replace(LOURO_MEL, window_s=2.0)
FRONT_ENDS = [ImageAndFeatures(SMALL_MEL), TaggerMel(window_s=6.0)]


@pytest.mark.parametrize("frontend", FRONT_ENDS, ids=lambda frontend: frontend.name)
def test_front_ends_make_inputs_of_one_shape_and_are_remembered(frontend: FrontEnd) -> None:
    for seconds in (1, 8):
        prepared = frontend.prepare(make_waveform(seconds, channels=1)[:, 0])
        assert prepared.dtype == np.float32
        assert prepared.shape == frontend.prepared_shape
        inputs = frontend.tensor(torch.from_numpy(np.stack([prepared, prepared])))
        assert inputs.shape == (2, *frontend.input_shape)
    assert front_end_of({"frontend": {"name": frontend.name, **frontend.to_json()}}) == frontend


def test_features_follow_the_image_unchanged() -> None:
    frontend = ImageAndFeatures(SMALL_MEL)
    waveform = make_waveform(3, channels=1)[:, 0]
    inputs = frontend.tensor(torch.from_numpy(frontend.prepare(waveform)[None]))[0]
    features = Features(window_s=2.0).prepare(waveform)
    assert np.array_equal(inputs[-len(features) :].numpy(), features)
    image = SMALL_MEL.tensor(torch.from_numpy(SMALL_MEL.prepare(waveform)[None]))[0]
    assert torch.equal(inputs[: -len(features)], image.flatten())


@pytest.mark.parametrize(("extractor", "mel"), [("ears", {}), ("mfcc_means", {"n_ears": 2})])
def test_a_front_end_that_makes_no_sense_is_refused(extractor: str, mel: dict[str, int]) -> None:
    raw = {"name": "image_and_features", "mel": {**SMALL_MEL.to_json(), **mel}, "extractor": extractor}
    with pytest.raises((TypeError, ValueError)):
        front_end_of({"frontend": raw})


def test_the_embedding_of_any_width_has_64_numbers() -> None:
    hidden = torch.randn(7, 300)
    projected = Embedding(300)(hidden)
    assert torch.equal(projected, Embedding(300)(hidden))
    projection = Embedding(300).projection
    assert torch.allclose(projection.T @ projection, torch.eye(64), atol=1e-5)
    assert torch.equal(Embedding(64)(hidden[:, :64]), hidden[:, :64])
    short = Embedding(20)(hidden[:, :20])
    assert torch.equal(short[:, :20], hidden[:, :20])
    assert not short[:, 20:].any()
