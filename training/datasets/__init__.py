"""The labelled datasets that training can merge, by name."""

from training.datasets import deam, emotify, pmemo, qaed, tags, vgmidi
from training.datasets.base import Clip, Curve, Dataset, DatasetError

_FIRST = (qaed.QAED, pmemo.DATASET, deam.EMOMUSIC, qaed.BIMODAL, deam.DEAM, emotify.DATASET, vgmidi.EMOPIA)
_FURTHER = (vgmidi.DATASET, qaed.MERGE, tags.CAL500, tags.CAL500EXP, tags.JAMENDO, tags.MAGNATAGATUNE)
DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _FIRST + _FURTHER}

__all__ = ["DATASETS", "Clip", "Curve", "Dataset", "DatasetError"]
