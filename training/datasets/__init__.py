"""The labelled datasets that training can merge, by name."""

from training.datasets import deam, emopia, emotify, qaed
from training.datasets.base import Clip, Dataset, DatasetError

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset for dataset in (qaed.DATASET, deam.EMOMUSIC, deam.DEAM, emotify.DATASET, emopia.DATASET)
}

__all__ = ["DATASETS", "Clip", "Dataset", "DatasetError"]
