"""What a training is given: images, clips, and how to go about it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.signal.mel import MelConfig
from training.data.augment import AugmentConfig
from training.fit.images import ImageSet
from training.fit.processes import Processes

OPTIMISERS = ("adam", "adamw")
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True, slots=True)
class SupervisedConfig:
    """How a network is trained; the defaults are the paper's.

    Attributes:
        epochs: At most.
        batch_size: Over all processes together.
        optimiser: "adam" or "adamw".
        learning_rate: At the start.
        schedule: "constant", or "cosine" down to zero over `epochs`.
        weight_decay: Of the optimiser.
        ema_decay: Of averaged weights, which are then the ones validated and kept; 0 is none.
        patience: Epochs without a lower validation loss before training stops; 0 is never.
        renew_norms: Training clips on which batch normalisation is measured anew before each validation; 0 keeps its
            running statistics.
        clip_norm: Largest norm of the gradient; 0 is unlimited.
        label_smoothing: Share of the target spread over all quadrants.
        regression_weight: Of the squared error of valence and arousal, for a network that regresses them.
        bf16: Compute in half precision where that is safe.
        deterministic: Refuse operations whose result depends on the order in which a GPU adds.
        checkpoint_steps: Steps between checkpoints within an epoch; 0 is one at the end of each.
        augment: Random changes of the training images.

    Source: Cazzaniga et al., section 4.2; patience, batch size and renewed statistics are choices of this project.
    """

    epochs: int = 50
    batch_size: int = 32
    optimiser: str = "adam"
    learning_rate: float = 1e-5
    schedule: str = "constant"
    weight_decay: float = 0.0
    ema_decay: float = 0.0
    patience: int = 5
    renew_norms: int = 512
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    regression_weight: float = 0.0
    bf16: bool = True
    deterministic: bool = False
    checkpoint_steps: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig.off)

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with.

        Raises:
            ValueError: With the value and what it may be.
        """
        if self.optimiser not in OPTIMISERS:
            raise ValueError(f"optimiser is {self.optimiser!r}; it can be {' or '.join(OPTIMISERS)}.")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule is {self.schedule!r}; it can be {' or '.join(SCHEDULES)}.")
        if self.epochs < 1 or self.batch_size < 2 or self.learning_rate <= 0:
            raise ValueError("epochs must be 1 or more, batch_size 2 or more, learning_rate above 0.")


@dataclass(frozen=True, slots=True)
class Job:
    """One training.

    Attributes:
        data: All images.
        rows: Positions of the training clips.
        validation_rows: Positions of the validation clips.
        config: How.
        mel: What the images are.
        seed: Of order, dropout and augmentation.
        processes: This process among those that train together.
        identity: What a checkpoint must have in common with this run to be gone on from, beside the configuration;
            plain JSON values.
        checkpoint: Written after each epoch; where it exists already, training goes on from it.
        log_dir: Of TensorBoard.
        on_epoch: Called by the first process after each epoch with all epochs so far.
    """

    data: ImageSet
    rows: NDArray[np.int64]
    validation_rows: NDArray[np.int64]
    config: SupervisedConfig
    mel: MelConfig
    seed: int
    processes: Processes
    identity: dict[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None
    log_dir: Path | None = None
    on_epoch: Callable[[list[dict[str, Any]]], None] = lambda epochs: None

    def __post_init__(self) -> None:
        """Refuse what cannot be trained on.

        Raises:
            ValueError: There are too few clips.
        """
        if len(self.rows) < 2 * self.processes.count or not len(self.validation_rows):
            raise ValueError(
                f"{len(self.rows)} training and {len(self.validation_rows)} validation clips are too few: two for each "
                f"of {self.processes.count} processes, and one, are the least."
            )

    @property
    def starts(self) -> range:
        """Where the batches of an epoch begin; a last one too small to share and to normalise is left out."""
        return range(0, len(self.rows) - 2 * self.processes.count + 1, self.config.batch_size)

    @property
    def whole_identity(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to be this job's."""
        return {
            "configuration": asdict(self.config),
            "MelConfig": self.mel.to_json(),
            "seed": self.seed,
            "number of processes": self.processes.count,
            **self.identity,
        }
