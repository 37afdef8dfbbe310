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


class CheckpointError(EmotionError):
    """Weights that this program cannot honour."""

    code = "checkpoint_unusable"


class DeviceUnavailableError(EmotionError):
    """A device was asked for that this machine does not have."""

    code = "device_unavailable"
