"""The supervised loop on networks small enough to be trained in a test."""

import copy
import math
import multiprocessing
import os
import random
import resource
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from emotion.exceptions import CheckpointError
from emotion.mel import MelConfig, network_input
from emotion.network import NetworkConfig, QuadrantNetwork
from emotion.quadrants import Quadrant
from training import resume, supervised
from training.augment import AugmentConfig
from training.exceptions import TrainingDivergedError
from training.images import ImageSet, network_tensor, predict, renew_statistics
from training.job import Job, SupervisedConfig
from training.processes import Processes, alone, together
from training.supervised import Outcome, train

MEL = MelConfig(image_size=16)
SHORT = SupervisedConfig(epochs=3, batch_size=8, learning_rate=1e-2, bf16=False)
# Everything that draws random numbers, so that a forgotten one shows.
RANDOM = replace(SHORT, augment=replace(AugmentConfig(), crop=True, noise_chance=0.5, stretch=0.1), ema_decay=0.9)
CPU = alone("cpu")


class Small(nn.Module):
    """A convolution, batch normalisation where wanted, dropout, and the two outputs of a quadrant network."""

    def __init__(self, *, norm: bool = True, dropout: float = 0.3) -> None:
        super().__init__()
        norms: list[nn.Module] = [nn.BatchNorm2d(8)] if norm else []
        self.maps = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), *norms, nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(8 * 49, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.maps(images).flatten(1)
        return self.head(maps), maps[:, :64]


def four_kinds(n: int = 40, size: int = 16) -> ImageSet:
    """Images whose bright band tells the quadrant, in two windows each."""
    rng = np.random.default_rng(0)
    quadrants = np.arange(n) % 4
    images = rng.uniform(0, 0.2, (n, 2, size, size))
    band = size // 4
    for i, quadrant in enumerate(quadrants):
        images[i, :, band * quadrant : band * (quadrant + 1)] += 0.7
    return ImageSet(images.astype(np.float16), np.eye(4, dtype=np.float32)[quadrants])


def job(config: SupervisedConfig = SHORT, *, data: ImageSet | None = None, **changes: Any) -> Job:
    return Job(
        **{
            "data": data or four_kinds(),
            "rows": np.arange(32),
            "validation_rows": np.arange(32, 40),
            "config": config,
            "mel": MEL,
            "seed": 5,
            "processes": CPU,
            **changes,
        }
    )


def small(**options: Any) -> Small:
    torch.manual_seed(0)
    return Small(**options)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def run(given: Job, network: nn.Module | None = None) -> tuple[nn.Module, Outcome]:
    network = network or small()
    return network, train(network, given)


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
    network = QuadrantNetwork(NetworkConfig("efficientnet-b0", image_size=32))
    before = copy.deepcopy(network)
    config = SupervisedConfig(epochs=1, batch_size=8)
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
def test_the_same_seed_gives_the_same_weights_and_another_does_not(config: SupervisedConfig) -> None:
    (one, _), (other, _), (third, _) = run(job(config)), run(job(config)), run(job(config, seed=6))
    assert same(one, other)
    assert not same(one, third)
    assert not torch.are_deterministic_algorithms_enabled()


def test_batch_statistics_are_measured_anew_on_unchanged_training_clips() -> None:
    data, network = four_kinds(), small()
    renew_statistics(network, data, np.arange(33), MEL, CPU.device)
    batch = data.batch(np.arange(32), np.zeros(32, int), CPU.device)
    found = network.maps[0](network_tensor(batch, MEL)).detach()
    norm = network.maps[1]
    # The 33rd clip would be a batch of one, and is left out.
    assert torch.allclose(norm.running_mean, found.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, found.var(dim=(0, 2, 3)), rtol=1e-4)
    assert norm.momentum == 0.1
    assert not network.training
    # A slow average judges by statistics that were never true of this network.
    losses = []
    for n in (0, 32):
        slow = small(dropout=0.0)
        slow.maps[1].momentum = 1e-4
        slow.maps[1].running_var.fill_(1e4)
        losses.append(run(job(replace(SHORT, renew_norms=n)), slow)[1].validation_loss)
    assert losses[1] < losses[0]


def test_ratings_are_learnt_beside_quadrants_and_unrated_clips_do_no_harm() -> None:
    data = four_kinds(24, 32)
    points = np.array([quadrant.target for quadrant in Quadrant], np.float32)[np.arange(24) % 4]
    points[:6] = np.nan
    config = replace(SHORT, epochs=6, learning_rate=3e-3, regression_weight=5.0)
    torch.manual_seed(0)
    network = QuadrantNetwork(NetworkConfig("efficientnet-b0", image_size=32, regresses=True))
    given = job(config, data=replace(data, points=points), rows=np.arange(24), validation_rows=np.arange(24))
    given = replace(given, mel=MelConfig(image_size=32))
    before = predict(network, given.data, np.arange(6, 24), given.mel, CPU.device)[2]
    train(network, given)
    after = predict(network, given.data, np.arange(6, 24), given.mel, CPU.device)[2]
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


def test_averaged_weights_are_the_ones_kept() -> None:
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
        ({"optimiser": "sgd"}, "optimiser is 'sgd'; it can be adam or adamw"),
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
    np.save(tmp_path / "images.npy", data.images)
    mapped = replace(data, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    on_device = replace(data, images=torch.from_numpy(data.images))
    first, *others = [run(job(RANDOM, data=each))[0] for each in (data, mapped, on_device)]
    assert all(same(first, other) for other in others)
    square, framed = MelConfig(image_size=6), MelConfig(n_mels=4, window_s=0.19, frames_as_channels=True)
    for mel in (square, framed):
        images = np.random.default_rng(0).uniform(size=(2, *mel.image_shape)).astype(np.float32)
        assert np.array_equal(
            network_tensor(torch.from_numpy(images)[:, None], mel).numpy(), network_input(images, mel)
        )


def test_a_lift_moves_a_clips_level_and_stays_in_range() -> None:
    data = replace(four_kinds(), lift=np.linspace(-1, 1, 40, dtype=np.float32))
    batch = data.batch(np.array([0, 20, 39]), np.zeros(3, int), CPU.device)
    assert batch[0].max() == 0
    assert batch[2].min() == 1
    plain = torch.from_numpy(data.images[20, 0]).float()
    assert torch.allclose(batch[1, 0], (plain + float(data.lift[20])).clamp(0, 1))


# --- Divergence ---------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_a_number_stops_and_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    good = job(replace(SHORT, epochs=1), checkpoint=checkpoint)
    run(good)
    before = checkpoint.read_bytes()
    data = four_kinds()
    data.images[3] = np.nan
    bad = job(SHORT, data=data, checkpoint=tmp_path / "other.pt")
    with pytest.raises(TrainingDivergedError, match=r"in epoch 1: the loss of step \d+ is not a finite.*0\.01"):
        run(bad)
    assert not bad.checkpoint.exists()
    # The same in a later epoch: what an earlier one left is still there, and can be read.
    with pytest.raises(TrainingDivergedError, match="in epoch 2"):
        run(replace(good, config=replace(SHORT, epochs=2), data=data, checkpoint=_of_two_epochs(good, tmp_path)))
    assert checkpoint.read_bytes() == before


def _of_two_epochs(good: Job, tmp_path: Path) -> Path:
    """Return a checkpoint after the first of two epochs."""
    path = tmp_path / "two.pt"

    def stop(epochs: list[dict[str, Any]]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(replace(good, config=replace(SHORT, epochs=2), checkpoint=path, on_epoch=stop))
    return path


def test_validation_clips_that_are_not_numbers_are_named() -> None:
    data = four_kinds()
    data.images[39] = np.nan
    with pytest.raises(TrainingDivergedError, match="the validation loss is not a finite number"):
        run(job(data=data))


# --- Checkpoints --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"config": replace(SHORT, learning_rate=5e-3)}, r"another configuration: it has \{'learning_rate': 0.01\}"),
        (
            {"mel": replace(MEL, n_mels=64)},
            r"another MelConfig: it has \{'n_mels': 128\}, this run has \{'n_mels': 64\}",
        ),
        ({"identity": {"architecture": "efficientnet-b3"}}, "another architecture: it has efficientnet-b0"),
        ({"seed": 6}, "another seed"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    given = job(SHORT, identity={"architecture": "efficientnet-b0"}, checkpoint=tmp_path / "checkpoint.pt")
    run(given)
    with pytest.raises(CheckpointError, match=sentence):
        run(replace(given, **change))


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    given = job(replace(SHORT, epochs=1), checkpoint=tmp_path / "checkpoint.pt")
    run(given)
    whole = given.checkpoint.read_bytes()
    given.checkpoint.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is damaged"):
        run(given)


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    resume.write_checkpoint(path, {"seed": 1}, {"weights": torch.ones(4)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="could not be written"):
            resume.write_checkpoint(path, {"seed": 1}, {"weights": torch.zeros(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [path]
    assert torch.equal(resume.read_checkpoint(path, {"seed": 1})["weights"], torch.ones(4))


def test_every_random_sequence_goes_on_where_it_was(tmp_path: Path) -> None:
    def draw() -> tuple[float, ...]:
        return random.random(), float(np.random.rand()), float(np.random.normal()), float(torch.rand(1))  # noqa: NPY002

    resume.seed_everything(1)
    draw()
    resume.write_checkpoint(tmp_path / "states.pt", {}, {"random": resume.random_states()})
    after = draw()
    resume.seed_everything(2)
    assert draw() != after
    resume.restore_random_states(resume.read_checkpoint(tmp_path / "states.pt", {})["random"])
    assert draw() == after
    resume.seed_everything(1, rank=1)
    other = draw()
    resume.seed_everything(1)
    assert draw() != other


# --- Killed and gone on with --------------------------------------------------------------------------------------

LONG = replace(RANDOM, epochs=4, checkpoint_steps=2, optimiser="adamw", schedule="cosine", patience=0)


@pytest.fixture(scope="module")
def processes() -> Any:
    """Processes that begin with torch already imported, and without this one's threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.test_supervised"])
    return context


def _train_and_write(folder: Path, kill_in_write: int) -> None:
    """Train to the end; the process is killed in the middle of the numbered checkpoint, if any."""
    torch.set_num_threads(1)
    step, save, written = supervised._Fit._step, torch.save, 0

    def slow_step(self: Any, rows: Any) -> None:
        step(self, rows)
        time.sleep(0.01)

    def save_half(content: Any, path: Path) -> None:
        nonlocal written
        written += 1
        save(content, path)
        if written == kill_in_write:
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    supervised._Fit._step, torch.save = slow_step, save_half
    (folder / "begun").touch()
    network, _ = run(job(LONG, checkpoint=folder / "checkpoint.pt"))
    torch.save = save
    torch.save(network.state_dict(), folder / "final.part")
    (folder / "final.part").rename(folder / "final.pt")


def _final(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(folder / "final.pt", weights_only=True)
    return found


def _uninterrupted() -> dict[str, Tensor]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    network, _ = run(job(LONG))
    torch.set_num_threads(threads)
    return network.state_dict()


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_weights(processes: Any, tmp_path: Path) -> None:
    kills, moments = 0, random.Random(3)
    for _ in range(12):
        (tmp_path / "begun").unlink(missing_ok=True)
        child = processes.Process(target=_train_and_write, args=(tmp_path, 0))
        child.start()
        while not (tmp_path / "begun").exists() and child.is_alive():
            time.sleep(0.005)
        child.join(moments.uniform(0.02, 0.2) if kills < 5 else None)
        if child.exitcode is not None:
            break
        child.kill()
        child.join()
        kills += child.exitcode == -signal.SIGKILL
    assert kills >= 2
    assert child.exitcode == 0
    assert _equal(_final(tmp_path), _uninterrupted())


def test_killed_in_the_middle_of_a_checkpoint_it_goes_on_from_the_one_before(processes: Any, tmp_path: Path) -> None:
    for kill_in_write, exit_code in ((3, -signal.SIGKILL), (2, -signal.SIGKILL), (0, 0)):
        child = processes.Process(target=_train_and_write, args=(tmp_path, kill_in_write))
        child.start()
        child.join()
        assert child.exitcode == exit_code
        if kill_in_write:
            assert (tmp_path / "checkpoint.pt.part").exists()
            resume.read_checkpoint(tmp_path / "checkpoint.pt", job(LONG).whole_identity)
    assert not (tmp_path / "checkpoint.pt.part").exists()
    assert _equal(_final(tmp_path), _uninterrupted())


def test_a_finished_training_resumed_does_nothing_and_tells_its_epochs_again(tmp_path: Path) -> None:
    told: list[list[dict[str, Any]]] = []
    given = job(SHORT, checkpoint=tmp_path / "checkpoint.pt", log_dir=tmp_path / "tensorboard", on_epoch=told.append)
    network, outcome = run(given)
    assert any((tmp_path / "tensorboard").iterdir())
    again, same_outcome = run(given)
    assert same(network, again)
    assert same_outcome == outcome
    assert [len(epochs) for epochs in told] == [3, 3, 3, 3]
    assert math.isfinite(told[-1][-1]["images_per_s"])


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
        network, outcome = run(replace(given, on_epoch=lambda _: (mine / "told").touch()), small(norm=False, dropout=0))
        assert among.share(rank) == 0
        assert among.gather(rank) == [0, 1]
    torch.save({"weights": network.state_dict(), "loss": outcome.validation_loss}, folder / f"{rank}.pt")


def _shared_job(among: Processes, **changes: Any) -> Job:
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
    assert _equal(ends[0]["weights"], ends[1]["weights"])
    for name, value in one.state_dict().items():
        assert torch.allclose(ends[0]["weights"][name], value, atol=1e-5), name
    assert ends[0]["loss"] == ends[1]["loss"] == pytest.approx(outcome.validation_loss, rel=1e-4)
    assert {file.name for file in (tmp_path / "0").iterdir()} == {"checkpoint.pt", "tensorboard", "told"}
    assert not list((tmp_path / "1").iterdir())


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
