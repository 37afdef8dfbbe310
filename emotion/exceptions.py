"""What can go wrong while a song is analysed. Pure."""

from __future__ import annotations


class EmotionError(Exception):
    """Root of the app's errors; `code` is stable, the message is a sentence for people."""

    code = "emotion_error"
    status = 500


class AudioUnreadableError(EmotionError):
    """The file cannot give the model anything to hear; permanent, the file's own fault."""

    status = 422

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    def __reduce__(self) -> tuple[type[AudioUnreadableError], tuple[str, str]]:
        # An exception is unpickled from its message alone, which would break a pool of processes that returns one.
        return type(self), (self.code, str(self))


class CheckpointError(EmotionError):
    """Weights that this program cannot honour."""

    code = "checkpoint_unusable"


class SaliencyUnavailableError(EmotionError):
    """The model's architecture cannot say where it looked."""

    code = "no_saliency"


class DeviceUnavailableError(EmotionError):
    """A device was asked for that this machine does not have."""

    code = "device_unavailable"


class LabelInvalidError(EmotionError):
    """A perceived label that says half of something, or two things that contradict each other."""

    code = "label_invalid"
    status = 400


class LabelNotFoundError(EmotionError):
    """There is no such label, or it is somebody else's: the two are told apart to nobody."""

    code = "label_not_found"
    status = 404


class ReanalysisError(EmotionError):
    """A re-analysis cannot be started, paused, resumed or cancelled as things are."""

    code = "reanalysis_not_possible"
    status = 409


class NotExplainableError(EmotionError):
    """There is no tag to explain, or it is by a model that no longer serves."""

    code = "tag_not_explainable"
    status = 409


class CurveNotFoundError(EmotionError):
    """A song has no emotion curve, and none is on its way."""

    code = "curve_not_found"
    status = 404


class CurveError(EmotionError):
    """A song's emotion curve could not be made; the code and the sentence say why."""

    status = 422

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
