"""The errors of the emotion app."""

from __future__ import annotations


class EmotionError(Exception):
    """Root of the app's errors; `code` is stable, the message is a sentence for people."""

    code = "emotion_error"
    status = 500


class FormatMissingError(EmotionError):
    """This installation cannot write such a file."""

    code = "format_missing"
    status = 501


class AudioUnreadableError(EmotionError):
    """The file has nothing that the model can analyse; permanent."""

    status = 422

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    def __reduce__(self) -> tuple[type[AudioUnreadableError], tuple[str, str]]:
        # An exception is unpickled from its message alone, which would break a pool of processes that returns one.
        return type(self), (self.code, str(self))


class CurveError(AudioUnreadableError):
    """A song's emotion curve could not be made."""


class CheckpointError(EmotionError):
    """Weights that this program cannot use."""

    code = "checkpoint_unusable"


class SaliencyUnavailableError(EmotionError):
    """The model's architecture cannot say where it looked."""

    code = "no_saliency"


class DeviceUnavailableError(EmotionError):
    """This machine lacks the device."""

    code = "device_unavailable"


class LabelInvalidError(EmotionError):
    """A perceived label is incomplete or contradicts itself."""

    code = "label_invalid"
    status = 400


class LabelNotFoundError(EmotionError):
    """The label does not exist or is another person's; the answer does not say which."""

    code = "label_not_found"
    status = 404


class ReanalysisError(EmotionError):
    """A re-analysis cannot be started, paused, resumed or cancelled in its state."""

    code = "reanalysis_not_possible"
    status = 409


class NotExplainableError(EmotionError):
    """There is no estimate to explain, or it is by a model that no longer serves."""

    code = "tag_not_explainable"
    status = 409


class CurveNotFoundError(EmotionError):
    """A song has no emotion curve, and none is on its way."""

    code = "curve_not_found"
    status = 404
