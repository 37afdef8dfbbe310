"""The supervised loop on networks small enough to be trained in a test."""

import copy
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emotion.inference.quadrants import Quadrant
from emotion.zoo.efficientnet_b3 import EfficientNetConfig
from emotion.zoo.frontends import MelConfig
from tests.networks import efficientnet
from tests.training.small_training import CPU, MEL, RANDOM, SHORT, Small, four_kinds, job, run, same, small
from training.exceptions import TrainingDivergedError
from training.fit.loop import FitConfig, FitTask, Processes, predict, renew_statistics, together, train

pytestmark = pytest.mark.slow


def test_it_learns_what_can_be_learnt_and_keeps_the_best_epoch() -> None:
    config = replace(SHORT, epochs=8)
    network, outcome = run(job(config), small(dropout=0.0))
    losses = [epoch["validation_loss"] for epoch in outcome.epochs]
    assert outcome.epochs[-1]["loss"] < outcome.epochs[0]["loss"]
    assert outcome.validation_loss == min(losses)
    assert outcome.best_epoch == 1 + losses.index(min(losses))
    data = four_kinds()
    logits, embeddings = predict(network, data, np.arange(40), MEL, CPU.device)
    assert np.mean(logits.argmax(1) == data.targets.argmax(1)) > 0.9
    assert embeddings.shape == (40, 64)


def test_a_quadrant_network_trains_in_half_precision_with_the_papers_optimiser() -> None:
    torch.manual_seed(0)
    network = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=32))
    before = copy.deepcopy(network)
    config = FitConfig(epochs=1, batch_size=8)
    outcome = train(
        network, job(config, data=four_kinds(24, 32), rows=np.arange(16), validation_rows=np.arange(16, 24))
    )
    assert outcome.epochs[0]["learning_rate"] == 1e-5
    moved = max(
        (a - b).detach().abs().max().item() for a, b in zip(network.parameters(), before.parameters(), strict=True)
    )
    # Two steps of Adam move no weight by more than about the learning rate each.
    assert 0 < moved < 3e-5


@pytest.mark.parametrize("config", [RANDOM, replace(RANDOM, optimiser="adamw", schedule="cosine", deterministic=True)])
def test_the_same_seed_gives_the_same_weights_and_another_does_not(config: FitConfig) -> None:
    (one, _), (other, _), (third, _) = run(job(config)), run(job(config)), run(job(config, seed=6))
    assert same(one, other)
    assert not same(one, third)
    assert not torch.are_deterministic_algorithms_enabled()


def norm_of(network: Small) -> torch.nn.BatchNorm2d:
    norm = network.maps[1]
    assert isinstance(norm, torch.nn.BatchNorm2d)
    return norm


def running(norm: torch.nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the running mean and variance."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


def test_batch_statistics_are_measured_again_on_unchanged_training_clips() -> None:
    data, network = four_kinds(), small()
    renew_statistics(network, data, np.arange(33), MEL, CPU.device)
    batch = data.batch(np.arange(32), np.zeros(32, int), CPU.device)
    found = network.maps[0](MEL.tensor(batch)).detach()
    norm = norm_of(network)
    mean, variance = running(norm)
    # The 33rd clip would be a batch of one, and is left out.
    assert torch.allclose(mean, found.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(variance, found.var(dim=(0, 2, 3)), rtol=1e-4)
    assert norm.momentum == 0.1
    assert not network.training
    # A slow average judges by statistics that were never true of this network.
    losses = []
    for n in (0, 32):
        slow = small(dropout=0.0)
        norm_of(slow).momentum = 1e-4
        running(norm_of(slow))[1].fill_(1e4)
        losses.append(run(job(replace(SHORT, renew_norms=n)), slow)[1].validation_loss)
    assert losses[1] < losses[0]


def test_ratings_are_learnt_beside_quadrants_and_unrated_clips_do_no_harm() -> None:
    data = four_kinds(24, 32)
    points = np.array([quadrant.target for quadrant in Quadrant], np.float32)[np.arange(24) % 4]
    points[:6] = np.nan
    config = replace(SHORT, epochs=6, learning_rate=3e-3, regression_weight=5.0)
    torch.manual_seed(0)
    network = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=32, regresses=True))
    given = job(config, data=replace(data, points=points), rows=np.arange(24), validation_rows=np.arange(24))
    given = replace(given, front_end=MelConfig(image_size=32))
    before = predict(network, given.data, np.arange(6, 24), given.front_end, CPU.device)[2]
    train(network, given)
    after = predict(network, given.data, np.arange(6, 24), given.front_end, CPU.device)[2]
    assert np.mean((after - points[6:]) ** 2) < np.mean((before - points[6:]) ** 2)


def test_training_stops_when_validation_stops_falling_and_the_best_weights_come_back() -> None:
    data = four_kinds()
    # The validation clips are mislabelled: the more is learnt, the worse they are.
    data.targets[32:] = np.roll(data.targets[32:], 1, axis=1)
    given = job(replace(SHORT, epochs=50, patience=3), data=data)
    network, outcome = run(given, small(dropout=0.0))
    assert len(outcome.epochs) == outcome.best_epoch + 3 < 50
    again, _ = run(replace(given, config=replace(given.config, epochs=outcome.best_epoch)), small(dropout=0.0))
    assert same(network, again)


def test_the_cosine_ends_near_zero_and_the_constant_stays() -> None:
    def rates(schedule: str) -> list[float]:
        return [epoch["learning_rate"] for epoch in run(job(replace(SHORT, schedule=schedule)))[1].epochs]

    assert rates("constant") == [1e-2] * 3
    assert rates("cosine") == pytest.approx([0.75e-2, 0.25e-2, 0.0], abs=1e-9)


def test_averaged_weights_are_the_result() -> None:
    plain, _ = run(job(SHORT))
    averaged, _ = run(job(replace(SHORT, ema_decay=0.99)))
    assert not same(plain, averaged)


def test_clipping_bounds_what_a_step_can_do() -> None:
    config = replace(SHORT, epochs=1, optimiser="adam")
    free, _ = run(job(config))
    clipped, _ = run(job(replace(config, clip_norm=1e-9)))
    assert not same(free, clipped)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"optimiser": "lion"}, "optimiser is 'lion'; it can be adam or adamw or sgd"),
        ({"schedule": "step"}, "schedule is 'step'"),
        ({"batch_size": 1}, "batch_size 2 or more"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(SHORT, **change)


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="1 training and 8 validation clips are too few"):
        job(rows=np.arange(1))


def test_images_may_lie_on_disk_or_on_the_device_and_carry_frames_in_channels(tmp_path: Path) -> None:
    data = four_kinds()
    assert isinstance(data.inputs, np.ndarray)
    np.save(tmp_path / "images.npy", data.inputs)
    mapped = replace(data, inputs=np.load(tmp_path / "images.npy", mmap_mode="r"))
    on_device = replace(data, inputs=torch.from_numpy(data.inputs))
    first, *others = [run(job(RANDOM, data=each))[0] for each in (data, mapped, on_device)]
    assert all(same(first, other) for other in others)
    square, framed = MelConfig(image_size=6), MelConfig(n_mels=4, window_s=0.19, frames_as_channels=True)
    for mel in (square, framed):
        images = np.random.default_rng(0).uniform(size=(2, *mel.image_shape)).astype(np.float32)
        by_serving, by_training = (mel.tensor(torch.from_numpy(each)) for each in (images, images[:, None]))
        assert by_training.shape == (2, *mel.input_shape)
        assert torch.equal(by_training, by_serving)


def test_a_lift_moves_a_clips_level_and_stays_in_range() -> None:
    lift = np.linspace(-1, 1, 40, dtype=np.float32)
    data = replace(four_kinds(), lift=lift)
    batch = data.batch(np.array([0, 20, 39]), np.zeros(3, int), CPU.device)
    assert batch[0].max() == 0
    assert batch[2].min() == 1
    plain = torch.from_numpy(data.inputs[20, 0]).float()
    assert torch.allclose(batch[1], (plain + float(lift[20])).clamp(0, 1))


# --- Divergence ---------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_a_number_stops_and_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    good = job(replace(SHORT, epochs=1), checkpoint=checkpoint)
    run(good)
    before = checkpoint.read_bytes()
    data = four_kinds()
    assert isinstance(data.inputs, np.ndarray)
    data.inputs[3] = np.nan
    other = tmp_path / "other.pt"
    bad = job(SHORT, data=data, checkpoint=other)
    with pytest.raises(TrainingDivergedError, match=r"in epoch 1: the loss of step \d+ is not a finite.*0\.01"):
        run(bad)
    assert not other.exists()
    # The same in a later epoch: what an earlier one left is still there, and can be read.
    with pytest.raises(TrainingDivergedError, match="in epoch 2"):
        run(replace(good, config=replace(SHORT, epochs=2), data=data, checkpoint=_of_two_epochs(good, tmp_path)))
    assert checkpoint.read_bytes() == before


def _of_two_epochs(good: FitTask, tmp_path: Path) -> Path:
    """Return a checkpoint after the first of two epochs."""
    path = tmp_path / "two.pt"

    def stop(epochs: list[dict[str, Any]]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(replace(good, config=replace(SHORT, epochs=2), checkpoint=path, on_epoch=stop))
    return path


def test_validation_clips_that_are_not_numbers_are_named() -> None:
    data = four_kinds()
    assert isinstance(data.inputs, np.ndarray)
    data.inputs[39] = np.nan
    with pytest.raises(TrainingDivergedError, match="the validation loss is not a finite number"):
        run(job(data=data))


# --- Several processes --------------------------------------------------------------------------------------------


def _train_in_a_group(rank: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    mine = folder / str(rank)
    mine.mkdir()
    with together("cpu") as among:
        given = _shared_job(among, checkpoint=mine / "checkpoint.pt", log_dir=mine / "tensorboard")
        network, outcome = run(
            replace(given, on_epoch=lambda _: (mine / "reported").touch()), small(norm=False, dropout=0)
        )
        assert among.share(rank) == 0
        assert among.gather(rank) == [0, 1]
    torch.save({"weights": network.state_dict(), "loss": outcome.validation_loss}, folder / f"{rank}.pt")


def _shared_job(among: Processes, **changes: Any) -> FitTask:
    # 30 clips leave a last batch that the processes cannot share evenly with 8 in each.
    return job(replace(SHORT, clip_norm=1.0), rows=np.arange(30), processes=among, **changes)


def test_two_processes_with_half_batches_end_where_one_with_whole_batches_does(processes: Any, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [processes.Process(target=_train_in_a_group, args=(rank, port, tmp_path)) for rank in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
        assert child.exitcode == 0
    ends = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    one, outcome = run(_shared_job(CPU), small(norm=False, dropout=0))
    assert all(torch.equal(value, ends[1]["weights"][name]) for name, value in ends[0]["weights"].items())
    for name, value in one.state_dict().items():
        assert torch.allclose(ends[0]["weights"][name], value, atol=1e-5), name
    assert ends[0]["loss"] == ends[1]["loss"] == pytest.approx(outcome.validation_loss, rel=1e-4)
    assert {file.name for file in (tmp_path / "0").iterdir()} == {"checkpoint.pt", "tensorboard", "reported"}
    assert not list((tmp_path / "1").iterdir())
