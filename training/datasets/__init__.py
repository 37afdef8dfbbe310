"""The labelled datasets that training can merge, by name."""

from training.datasets import (
    bimodal,
    cal500,
    cal500exp,
    deam,
    emomusic,
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

_FIRST = (qaed, pmemo, emomusic, bimodal, deam, emotify, emopia)
_FURTHER = (vgmidi, merge, cal500, cal500exp, jamendo, magnatagatune)
DATASETS: dict[str, Dataset] = {module.DATASET.name: module.DATASET for module in _FIRST + _FURTHER}

__all__ = ["DATASETS", "Clip", "Curve", "Dataset", "DatasetError"]
