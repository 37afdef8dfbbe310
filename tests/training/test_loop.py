import numpy as np
import pytest
import torch

from emotion.mel import MelConfig
from emotion.network import NetworkConfig, QuadrantNetwork
from training.augment import AugmentConfig
from training.loop import EpochReport, LoopConfig, Stage, TrainingData, TrainingDivergedError, predict_logits, train

# Time shift would be harmless here too; everything is off so that one thing is tested.
GENTLE = AugmentConfig(gain_db=0, tilt_db=0, lowpass_chance=0, mask_chance=0, shift=False, mixup_alpha=0)


def four_kinds(n: int = 32, size: int = 32) -> TrainingData:
    """Images whose bright band tells the quadrant."""
    rng = np.random.default_rng(0)
    quadrants = np.arange(n) % 4
    images = rng.uniform(0, 0.2, (n, 2, size, size))
    for i, quadrant in enumerate(quadrants):
        images[i, :, 8 * quadrant : 8 * quadrant + 8] += 0.8
    return TrainingData(
        images=images.astype(np.float16),
        targets=np.eye(4, dtype=np.float32)[quadrants],
        lesson_features=np.eye(4, dtype=np.float32)[quadrants],
        lesson_probabilities=np.eye(4, dtype=np.float32)[quadrants],
        weights=np.full(n, 1 / n),
        train=np.arange(n),
        validation=np.arange(n),
    )


def run(data: TrainingData, learning_rate: float, epochs: int = 1) -> tuple[QuadrantNetwork, list[EpochReport]]:
    torch.manual_seed(0)
    network = QuadrantNetwork(NetworkConfig("efficientnet-b0", image_size=32))
    config = LoopConfig((Stage(32, epochs, 96, 16, learning_rate),), bf16=False, ema_decay=0.9, augment=GENTLE)
    reports: list[EpochReport] = []
    best = train(network, data, config, mel=MelConfig(image_size=32), seed=1, on_epoch=lambda r, _: reports.append(r))
    return best, reports


@pytest.fixture(scope="module", autouse=True)
def _denormals_as_before() -> object:
    yield
    torch.set_flush_denormal(False)


def test_it_learns_what_can_be_learnt() -> None:
    data = four_kinds()
    best, reports = run(data, 2e-3, epochs=12)
    assert reports[-1].loss < reports[0].loss
    assert not best.training
    accuracy = np.mean(predict_logits(best, data.images[:, 0], 32).argmax(1) == data.targets.argmax(1))
    assert accuracy > 0.8


def test_the_same_seed_gives_the_same_weights() -> None:
    one, other = (run(four_kinds(), 1e-3)[0] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_loss_that_is_not_a_number_stops_with_a_sentence() -> None:
    data = four_kinds()
    data.images[:] = np.nan
    with pytest.raises(TrainingDivergedError, match="lower the learning rate"):
        run(data, 1e-3)
