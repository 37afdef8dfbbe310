"""The project's own recipe for an EfficientNetB3, and what can be done with a model that it made.

spectra -> distil (a backbone, from sound alone) -> backbone (features) -> teacher, head, protocols -> cards
"""

from training.flagship.config import FlagshipConfig, config_of, read_config
from training.flagship.evaluation import evaluate
from training.flagship.material import load_clips
from training.flagship.recipe import run
from training.flagship.retraining import refit, retrain_whole

__all__ = [
    "FlagshipConfig",
    "config_of",
    "evaluate",
    "load_clips",
    "read_config",
    "refit",
    "retrain_whole",
    "run",
]
