"""The labelled datasets that training can merge, by name."""

from training.datasets import (
    bimodal,
    cal500,
    cal500exp,
    deam,
    emopia,
    emotify,
    jamendo,
    magnatagatune,
    merge,
    pmemo,
    qaed,
    vgmidi,
)
from training.datasets.base import Clip, Curve, Dataset, DatasetError

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        qaed.DATASET,
        pmemo.DATASET,
        deam.EMOMUSIC,
        bimodal.DATASET,
        deam.DEAM,
        emotify.DATASET,
        emopia.DATASET,
        vgmidi.DATASET,
        merge.DATASET,
        cal500.DATASET,
        cal500exp.DATASET,
        jamendo.DATASET,
        magnatagatune.DATASET,
    )
}

__all__ = ["DATASETS", "Clip", "Curve", "Dataset", "DatasetError"]
