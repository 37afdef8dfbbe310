"""Exceptions of the app; `mer_site.errors` turns each into a response."""

from __future__ import annotations


class TrainingError(Exception):
    """Root of the app's errors: a stable `code`, the HTTP `status`, and a sentence as the message."""

    code = "training_error"
    status = 400


class ModelNotFoundError(TrainingError):
    """No model of this version was imported."""

    code = "model_not_found"
    status = 404


class ModelFileError(TrainingError):
    """A model's files are missing, damaged, or not what they claim to be."""

    code = "model_file"
    status = 409


class PromotionRefusedError(TrainingError):
    """A model may not go live as things are."""

    code = "promotion_refused"
    status = 409


class RollbackImpossibleError(TrainingError):
    """There is no earlier model to go back to."""

    code = "rollback_impossible"
    status = 409


class RetrainRefusedError(TrainingError):
    """A retraining would learn nothing, or cannot be done here."""

    code = "retrain_refused"
    status = 409


class RetrainBusyError(TrainingError):
    """One retraining is under way already."""

    code = "retrain_busy"
    status = 409


class TrainingDivergedError(TrainingError):
    """The loss became NaN or infinite; earlier checkpoints stay."""

    code = "training_diverged"
