"""How much of a training step is the network's, and how much is fetching and changing images.

Run: python bench/training.py [--image-size 300] [--batch 32] [--steps 10] [--device auto]. Prints images/s of the real
loop (images in a memory map on disk, changed at random), of the same with the images in the device's memory, and of the
limit: the same step over and over on one batch that is on the device already. Then, on a CPU, the two ratios of
docs/decisions/0003 about bf16 depthwise convolutions and denormal numbers. All are measured in this run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emotion.inference.predict import channels_last
from emotion.zoo.frontends import MelConfig
from emotion.zoo.registry import Network, architecture, create_model
from training.data.augment import AugmentConfig
from training.data.cache import to_device
from training.fit.loop import ClipSet, FitConfig, FitTask, Processes, alone, keep_wide_depthwise_in_float32, train

CHANGES = AugmentConfig(equaliser_db=8.0, stretch=0.1, pitch_semitones=1.0)
REPEATS = 3


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def new_network(job: FitTask, backbone: str) -> Network:
    """Return the network that is timed."""
    b3 = architecture("efficientnet_b3")
    return create_model(b3.name, b3.config(backbone, image_size=job.front_end.input_shape[1]))


def loop_images_per_s(job: FitTask, backbone: str) -> float:
    """Return the speed of the real loop in its second epoch, the first being a warm-up."""
    return float(train(new_network(job, backbone), job).epochs[1]["images_per_s"])


def limit_images_per_s(job: FitTask, backbone: str) -> float:
    """Return the speed of forward, backward and optimiser alone on one batch."""
    device, config = job.processes.device, job.config
    network = channels_last(new_network(job, backbone)).to(device).train()
    if device.type == "cpu" and config.bf16:
        keep_wide_depthwise_in_float32(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
    rows = np.arange(config.batch_size)
    images = job.front_end.tensor(job.data.batch(rows, 0 * rows, device))
    targets = torch.from_numpy(job.data.targets[rows]).to(device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
            logits = network(images)[0]
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(logits.float(), targets).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    steps = len(job.rows) // config.batch_size

    def epoch() -> None:
        for _ in range(steps):
            step()

    return steps * config.batch_size / best_s(epoch, device, repeats=1)


def best_s(work: Callable[[], object], device: torch.device, repeats: int = REPEATS) -> float:
    """Return the shortest of several runs, in seconds, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        wait(device)
        begun = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def depthwise_ratio() -> float:
    """Return how many times longer a 5x5 depthwise convolution, forward and backward, takes in bf16 than in float32."""
    images = torch.randn(16, 240, 32, 32).to(memory_format=torch.channels_last)
    convolution = channels_last(nn.Conv2d(240, 240, 5, padding=2, groups=240, bias=False))

    def seconds(dtype: torch.dtype) -> float:
        network, given = convolution.to(dtype), images.to(dtype).requires_grad_()
        return best_s(lambda: [network(given).sum().backward() for _ in range(5)], torch.device("cpu"))

    return seconds(torch.bfloat16) / seconds(torch.float32)


def denormal_ratio() -> float:
    """Return how many times longer a convolution with denormal weights takes when they are not flushed to zero."""
    convolution = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    nn.init.constant_(convolution.weight, 1e-39)
    images = torch.randn(4, 64, 64, 64)

    def seconds(flush: bool) -> float:
        torch.set_flush_denormal(flush)
        with torch.inference_mode():
            return best_s(lambda: [convolution(images) for _ in range(5)], torch.device("cpu"))

    as_they_are, flushed = seconds(False), seconds(True)
    torch.set_flush_denormal(False)
    return as_they_are / flushed


def job_of(arguments: argparse.Namespace, images: np.ndarray, processes: Processes) -> FitTask:
    """Return two epochs of the paper's training, with changes and with images of noise."""
    n = len(images)
    targets = np.eye(4, dtype=np.float32)[np.arange(n) % 4]
    config = FitConfig(epochs=2, batch_size=arguments.batch, patience=0, augment=CHANGES, bf16=not arguments.float32)
    mel = MelConfig(image_size=arguments.image_size)
    return FitTask(ClipSet(images, targets), np.arange(n), np.arange(2), config, mel, 0, processes)


def compare(arguments: argparse.Namespace) -> None:
    """Print images/s of the loop and of its limit."""
    processes = alone(arguments.device)
    shape = (arguments.batch * arguments.steps, 2, arguments.image_size, arguments.image_size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images"
        on_disk = np.memmap(path, np.float16, "w+", shape=shape)
        rng = np.random.default_rng(0)
        for i in range(len(on_disk)):
            on_disk[i] = rng.random(shape[1:], np.float32)
        on_disk.flush()
        images = np.memmap(path, np.float16, "r", shape=shape)
        job = job_of(arguments, images, processes)
        there = replace(job, data=replace(job.data, inputs=to_device(images, processes.device)))
        ways: dict[str, Callable[[], float]] = {
            "network alone": lambda: limit_images_per_s(there, arguments.backbone),
            "the loop, images in a memory map": lambda: loop_images_per_s(job, arguments.backbone),
            f"the loop, images in the memory of {processes.device}": lambda: loop_images_per_s(
                there, arguments.backbone
            ),
        }
        # In turns, so that whatever else the machine does slows all of them down alike.
        rounds = [[measure() for measure in ways.values()] for _ in range(REPEATS)]
    best = np.max(rounds, axis=0)
    print(f"{arguments.backbone}, {arguments.image_size} px, batches of {arguments.batch}, {processes.device}")
    for name, speed in zip(ways, best, strict=True):
        print(f"{name}: {speed:.1f} images/s; ratio to the limit: {speed / best[0]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=300)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--backbone", default="efficientnet-b3")
    parser.add_argument("--float32", action="store_true", help="In place of bf16.")
    arguments = parser.parse_args()
    compare(arguments)
    print(f"threads: {torch.get_num_threads()} of {os.cpu_count()}")
    print(f"5x5 depthwise convolution, bf16 against float32 on the CPU: {depthwise_ratio():.1f} times as long")
    print(f"denormal weights, as they are against flushed to zero: {denormal_ratio():.1f} times as long")


if __name__ == "__main__":
    main()
