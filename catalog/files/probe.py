"""Recognises audio by content: container, codec and duration, with its tags and cover."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from catalog.core.wording import gettext as _
from catalog.core.wording import number
from catalog.exceptions import FileRejectedError
from catalog.files.recording import PLACES, WINDOW_S, Recording
from catalog.files.tags import AudioTags, Cover, tags_read

MIN_DURATION_S = 5.0

# By container: the media type and the extension.
_TYPES = {
    "mp3": ("audio/mpeg", "mp3"),
    "flac": ("audio/flac", "flac"),
    "ogg": ("audio/ogg", "ogg"),
    "wav": ("audio/wav", "wav"),
    "aiff": ("audio/aiff", "aiff"),
    "mp4": ("audio/mp4", "m4a"),
    "aac": ("audio/aac", "aac"),
}
# Most browsers play AAC in an MP4, and few ALAC.
_ALAC = 'audio/mp4; codecs="alac"'
LOSSLESS = frozenset({"audio/flac", "audio/wav", "audio/aiff", _ALAC})


@dataclass(frozen=True, slots=True)
class AudioFacts:
    container: str
    codec: str
    mime_type: str
    extension: str
    duration_s: float
    sample_rate_hz: int
    channels: int
    bit_rate: int | None  # bit/s of the sound, without tags and cover.
    metadata: dict[str, str]  # The demuxer's own reading of the tags.
    tags: AudioTags = field(default_factory=AudioTags)
    cover: Cover | None = None
    remark: str = ""  # What is missing although the file is accepted, in a sentence.


def probe(path: Path, *, max_duration_s: float = 2 * 3600.0) -> AudioFacts:
    """Recognise an audio file by its content, with its tags; of strangers' files see `isolation`.

    Raises:
        FileRejectedError: The catalog does not accept such a file.
    """
    facts = sound_probe(path, max_duration_s=max_duration_s)
    tags, cover = tags_of(path, facts.metadata)
    return replace(facts, tags=tags, cover=cover)


def sound_probe(path: Path, *, max_duration_s: float) -> AudioFacts:
    """Recognise an audio file by its content; leave its tags and cover.

    The duration is that of the sound that is there, whatever the header says.

    Raises:
        FileRejectedError: The catalog does not accept such a file.
    """
    if path.stat().st_size == 0:
        raise FileRejectedError("empty_file", _("The file is empty (0 bytes). Copy it from its source again."))
    with Recording(path, at_most_s=max_duration_s) as recording:
        _length_check(recording, max_duration_s)
        container, codec, metadata = recording.container, recording.codec, recording.metadata
        numbers = recording.duration_s, recording.sample_rate_hz, recording.channels, recording.bit_rate()
    mime_type, extension = _TYPES[container]
    if codec == "alac":
        mime_type = _ALAC
    elif codec == "opus" and container == "ogg":
        extension = "opus"
    return AudioFacts(container, codec, mime_type, extension, *numbers, metadata)


def tags_of(path: Path, fallback: Mapping[str, str]) -> tuple[AudioTags, Cover | None]:
    """Return the tags and the cover of an audio file; `fallback` has the demuxer's own reading of its tags."""
    with path.open("rb") as stream:
        return tags_read(stream, fallback)


def _length_check(recording: Recording, max_duration_s: float) -> None:
    present_s, promised_s = recording.duration_s, recording.promised_s
    if present_s > max_duration_s:
        length = {"length": duration_words(max(present_s, promised_s)), "most": duration_words(max_duration_s)}
        sentence = _("It is %(length)s long; a song may last at most %(most)s. Split it and upload the parts.")
        raise FileRejectedError("too_long", sentence % length)
    if present_s < MIN_DURATION_S:
        raise _too_little(present_s, promised_s)
    centre = recording.window(PLACES[0], WINDOW_S)
    # As analysis does, which listens elsewhere where the centre is damaged.
    if centre.is_damaged and all(recording.window(place, WINDOW_S).is_damaged for place in PLACES[1:]):
        rate_hz = recording.sample_rate_hz
        raise _too_little(centre.n_heard / rate_hz, len(centre.mono) / rate_hz)


def _too_little(decoded_s: float, promised_s: float) -> FileRejectedError:
    decoded = number(decoded_s, 1)
    if promised_s >= MIN_DURATION_S:
        sentence = _(
            "Only %(decoded)s s of its %(promised)s s can be decoded: it is damaged or truncated. "
            "Copy it from its source again."
        )
        return FileRejectedError("damaged", sentence % {"decoded": decoded, "promised": number(promised_s, 1)})
    sentence = _("It is %(decoded)s s long; a song must last at least %(least)d s to be analysed.")
    return FileRejectedError("too_short", sentence % {"decoded": decoded, "least": MIN_DURATION_S})


def duration_words(seconds: float) -> str:
    """Write a duration such as "3 h 0 min" or "4 min 5 s"."""
    whole = round(seconds)
    if whole >= 3600:
        return _("%(hours)d h %(minutes)d min") % {"hours": whole // 3600, "minutes": whole % 3600 // 60}
    if whole >= 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": whole // 60, "seconds": whole % 60}
    return _("%(seconds)d s") % {"seconds": whole}
