"""Opens a recording, finds out how much sound it really holds, and gives exact stretches of it.

What headers say, and where seeks land, are guesses until the packets agree. Three ways lead to a place in the sound:

- seek: the container can be sought exactly, and its last packets end where its header says;
- walk: all packets are read, their time stamps join up, and those near the place are decoded;
- count: time stamps contradict one another, so everything up to the place is decoded and its samples are counted.

The demuxer gets an open file without a name and only the formats listed here: a disguised playlist or concatenation
script could otherwise make FFmpeg open other files or addresses.
"""

from __future__ import annotations

import itertools
import math
import mmap
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, number
from catalog.exceptions import FileRejectedError

# What a model hears of a song, unless its front end says otherwise; the door makes sure that it can be decoded.
WINDOW_S = 24.0
# Where it listens: in the middle; if there is nothing to hear, a quarter, then three quarters, into the song.
PLACES = (0.5, 0.25, 0.75)
# Less than this share of a stretch decoded is damage.
LEAST_SHARE = 0.5
LEAST_RATE_HZ, MOST_RATE_HZ = 4_000, 768_000
MOST_CHANNELS = 64
# Full scale is 1; decoders overshoot a little, and a float file may hold anything.
CEILING = 4.0
# Where the mean of the channels has less than this share of their power, they cancel out: -20 dB.
_CANCELLED = 0.01
# A frame of MP3 or AAC needs those before it.
_PREROLL_S = 0.5
# Time stamps of Vorbis are up to 10 ms off within a page.
_TOLERANCE_S = 0.1
_BLOCK_VALUES = 1 << 18
_KEPT_BYTES = 32 * 1024 * 1024
_MOST_FAULTS = 100
_MOST_TAGS, _TEXT_CHARS = 100, 10_000
# A track with fewer pictures than one in so many seconds is no video.
_PICTURE_S = 1.0

_ACCEPTED = gettext_noop("MP3, FLAC, Ogg Vorbis, Opus, WAV, AIFF and M4A/AAC")
_VIDEO = gettext_noop("This is a video (%(kind)s). Upload only its audio, for example as MP3 or M4A.")
_UNKNOWN_DATA = gettext_noop("unknown data")
_PICTURE = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
# The beginnings of accepted formats: (offset, magic, name, FFmpeg's demuxer).
_BEGINNINGS = (
    (4, b"ftyp", "M4A/MP4", "mp4"),
    (0, b"fLaC", "FLAC", "flac"),
    (0, b"OggS", "Ogg", "ogg"),
    (8, b"WAVE", "WAV", "wav"),
    (8, b"AIF", "AIFF", "aiff"),
)
_GUESSES = (
    (b"%PDF", gettext_noop("a PDF document")),
    (b"\x89PNG", gettext_noop("an image")),
    (b"\xff\xd8\xff", gettext_noop("an image")),
    (b"GIF8", gettext_noop("an image")),
    (b"PK\x03\x04", gettext_noop("a ZIP archive")),
    (b"Rar!", gettext_noop("an archive")),
    (b"\x7fELF", gettext_noop("a program")),
    (b"MThd", gettext_noop("a MIDI file")),
    (b"\x1aE\xdf\xa3", gettext_noop("a Matroska or WebM file")),
    (b"\x00\x00\x01\xba", gettext_noop("an MPEG video")),
    (b"0&\xb2u", gettext_noop("a Windows Media file")),
)
_DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "s64": np.int64, "flt": np.float32, "dbl": np.float64}
_FAULTS = (av.FFmpegError, ValueError)


class _Format(NamedTuple):
    container: str
    codecs: tuple[str, ...]  # Those that are accepted; one that ends in "_" is a beginning.
    seeks: bool  # Whether seeks are exact where the header is right.


# By FFmpeg's demuxers.
_FORMATS = {
    "mp3": _Format("mp3", ("mp3", "mp2"), False),
    "flac": _Format("flac", ("flac",), True),
    "ogg": _Format("ogg", ("vorbis", "opus", "flac"), True),
    "wav": _Format("wav", ("pcm_",), True),
    "aiff": _Format("aiff", ("pcm_",), True),
    "mp4": _Format("mp4", ("aac", "alac", "mp3", "flac", "opus"), True),
    "aac": _Format("aac", ("aac",), False),
}


class Block(NamedTuple):
    """Some seconds of a recording, full scale at 1.0."""

    mono: NDArray[np.float32]  # `(n_samples,)`, the mean of the channels, or the loudest where they cancel out.
    channels: NDArray[np.float32]  # `(n_channels, n_samples)`
    layout: str  # FFmpeg's name of where the channels are heard, such as "stereo".


class Stretch(NamedTuple):
    """A stretch of a recording: mono, full scale at 1.0; silence stands for what could not be decoded."""

    mono: NDArray[np.float32]  # `(n_samples,)`
    start: int
    n_heard: int  # Samples that were decoded.

    @property
    def is_damaged(self) -> bool:
        """Whether too little of it could be decoded."""
        return self.n_heard < LEAST_SHARE * len(self.mono)


class _Way(Enum):
    SEEK = "seek"
    WALK = "walk"
    COUNT = "count"


class _UntrustedError(Exception):
    """Time stamps have turned out to be wrong."""


class Recording:
    """An open recording, with its true length; a context manager.

    `at_most_s` ends the search for its end: of a longer recording only so much is looked at.

    Raises:
        FileRejectedError: The catalog accepts no such recording, or nothing of it can be decoded.
        OSError: The file cannot be opened.
    """

    container: str  # "mp3", "flac", "ogg", "wav", "aiff", "mp4" or "aac".
    codec: str
    sample_rate_hz: int
    channels: int
    sample_format: str  # FFmpeg's name, such as "s16" or "flt".
    n_samples: int
    promised_s: float  # What the header says.
    metadata: dict[str, str]

    def __init__(self, path: Path, *, at_most_s: float = float("inf")) -> None:
        self._stream = path.open("rb")
        self._input: Any = None
        self._kept: list[Any] = []
        self._resamplers: dict[object, Any] = {}
        try:
            self._open()
            self._begin()
            self._measure(at_most_s)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    @property
    def duration_s(self) -> float:
        """Seconds of sound that a listener hears."""
        return self.n_samples / self.sample_rate_hz

    def window(self, place: float, window_s: float) -> Stretch:
        """Read a window, or all that there is; `place` is 0 for the first, 0.5 for the centre, 1 for the last."""
        n_samples = math.ceil(window_s * self.sample_rate_hz)
        try:
            return self._stretch(max(0, int((self.n_samples - n_samples) * place)), n_samples)
        except _UntrustedError:
            self._count()
            return self._stretch(max(0, int((self.n_samples - n_samples) * place)), n_samples)

    def blocks(self) -> Iterator[Block]:
        """Yield the whole sound, with silence in its gaps."""
        done = 0
        try:
            for block in self._filled(done):
                yield block
                done += len(block.mono)
        except _UntrustedError:
            self._count()
            yield from self._filled(done)

    def frames(self) -> Iterator[tuple[int, Any]]:
        """Yield decoded frames in order, each with the sample at which it begins; what is damaged leaves gaps."""
        done = 0
        try:
            for at, frame in self._located(0):
                yield at, frame
                done = at + frame.samples
        except _UntrustedError:
            self._count()
            yield from ((at, frame) for at, frame in self._located(0) if at >= done)

    def bit_rate(self) -> int | None:
        """Return the bit/s of the sound alone, which neither tags nor pictures raise; None where packets do not say."""
        packets: Iterable[Any] = self._kept
        if not self._kept:
            self._open()
            packets = self._packets()
        n_bytes = n_ticks = 0
        # The last one may be joined with the tags at the end.
        for packet, _next in itertools.pairwise(packet for packet in packets if packet.size):
            if packet.duration:
                n_bytes, n_ticks = n_bytes + packet.size, n_ticks + packet.duration
        return round(8 * n_bytes / (n_ticks * self._tick_s)) if n_ticks else None

    # --- Opening ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._input is not None:
            self._input.close()
        self._input = _opened(self._stream)
        # FFmpeg calls the family of MP4 by six names.
        known = next(known for name, known in _FORMATS.items() if name in self._input.format.name.split(","))
        _refuse_video(self._input)
        if not self._input.streams.audio:
            raise FileRejectedError("no_audio", _("This file has no audio track. Choose a file that has one."))
        self._track = self._input.streams.audio[0]
        self._decoder: Any = self._track.codec_context
        self.container, self.codec = known.container, _codec(self._decoder, known.codecs)
        self._seeks = known.seeks
        _refuse_numbers(self._decoder.sample_rate, self._decoder.channels)
        self._tick_s: Fraction = self._track.time_base

    def _close(self) -> None:
        if self._input is not None:
            self._input.close()
        self._stream.close()

    def _begin(self) -> None:
        """Decode the first frame, which alone says what the decoder gives, and from where on."""
        first = next((frame for _packet, frames in self._decoded(self._packets()) for frame in frames or ()), None)
        if first is None:
            raise nothing_decodes()
        self.sample_rate_hz, self.channels = int(first.sample_rate), int(first.layout.nb_channels)
        self.sample_format = str(first.format.packed.name)
        _refuse_numbers(self.sample_rate_hz, self.channels)
        self._origin = first.pts
        self._samples_in_tick = float(self._tick_s * self.sample_rate_hz)
        self.metadata = {
            key.lower()[:_TEXT_CHARS]: value[:_TEXT_CHARS]
            for key, value in itertools.islice(self._input.metadata.items(), _MOST_TAGS)
        }
        self.promised_s = (self._input.duration or 0) / av.time_base

    # --- How long it is -----------------------------------------------------------------------------------------------

    def _measure(self, at_most_s: float) -> None:
        is_stamped = self._origin is not None
        if is_stamped and self._seeks and self._ends_as_promised():
            self._way = _Way.SEEK
        # The durations of Vorbis packets are guesses themselves.
        elif is_stamped and self.container != "ogg" and self._walk(at_most_s):
            self._way = _Way.WALK
        else:
            self._count(at_most_s)
        if self.n_samples <= 0:
            raise nothing_decodes()

    def _ends_as_promised(self) -> bool:
        if not self._track.duration or (self.container == "ogg" and _is_chained(self._stream)):
            return False
        near = self._ticks(_TOLERANCE_S)
        promised = (self._track.start_time or 0) + self._track.duration
        end = at = None
        try:
            self._seek(promised - self._ticks(_PREROLL_S))
            for packet, frames in self._decoded(self._packets()):
                if packet.pts is None:
                    continue
                if packet.pts > promised + near or (at is not None and abs(packet.pts - at) > near):
                    return False
                at = packet.pts + (packet.duration or 0)
                end = self._end_of(frames) or end
        except av.FFmpegError:
            return False
        if at is None or end is None or abs(min(at, end) - promised) > near:
            return False
        self.n_samples = self._position(min(at, end))
        return True

    def _walk(self, at_most_s: float) -> bool:
        self._open()
        near, limit = self._ticks(_TOLERANCE_S), at_most_s / self._tick_s
        at: int | None = None
        n_bytes = 0
        kept: list[Any] = []
        last: deque[Any] = deque(maxlen=16)
        for packet in self._packets():
            stamp, duration, size = packet.pts, packet.duration, packet.size
            if not size:
                break
            if stamp is None or not duration or (at is not None and not -near <= stamp - at <= near):
                return False
            at = stamp + duration
            n_bytes += size
            last.append(packet)
            if n_bytes <= _KEPT_BYTES:
                kept.append(packet)
            if at - self._origin > limit:
                break
        if at is None:
            return False
        self._kept = kept if n_bytes <= _KEPT_BYTES else []
        # Encoders fill up the last packet and say by how much; one that was cut off has no sound.
        self._decoder.flush_buffers()
        tail = [frame for _packet, frames in self._decoded(last) for frame in frames or ()]
        if any(frame.sample_rate != self.sample_rate_hz for frame in tail):
            return False
        end = self._end_of(tail)
        self.n_samples = self._position(at if end is None else min(at, end))
        return True

    def _count(self, at_most_s: float = float("inf")) -> None:
        self._way, self._kept = _Way.COUNT, []
        self._open()
        self.n_samples = 0
        for _packet, frames in self._decoded(self._packets()):
            self.n_samples += sum(frame.samples for frame in self._alike(frames))
            if self.n_samples > at_most_s * self.sample_rate_hz:
                break

    def _ticks(self, seconds: float) -> int:
        return round(seconds / self._tick_s)

    def _position(self, ticks: int) -> int:
        return round((ticks - self._origin) * self._samples_in_tick)

    def _end_of(self, frames: Sequence[Any] | None) -> int | None:
        if not frames or frames[-1].pts is None:
            return None
        return int(frames[-1].pts + self._ticks(frames[-1].samples / frames[-1].sample_rate))

    # --- Decoding -----------------------------------------------------------------------------------------------------

    def _seek(self, ticks: int) -> None:
        self._input.seek(max(ticks, self._track.start_time or 0), stream=self._track)

    def _packets(self) -> Iterator[Any]:
        """Yield packets from here on, whatever lies between them; the last is empty."""
        for _fault in range(_MOST_FAULTS):
            try:
                yield from self._input.demux(self._track)
            except av.FFmpegError:
                continue
            return

    def _decoded(self, packets: Iterable[Any]) -> Iterator[tuple[Any, Sequence[Any] | None]]:
        """Yield packets with their frames, or with None where a packet is bad."""
        for packet in packets:
            try:
                frames = self._decoder.decode(packet)
            except _FAULTS:
                frames = None
            yield packet, frames

    def _alike(self, frames: Sequence[Any] | None) -> Iterator[Any]:
        """Yield frames at the rate of the first; in files that were joined the rate may change."""
        for frame in frames or ():
            rate_hz = frame.sample_rate
            if rate_hz == self.sample_rate_hz:
                yield frame
                continue
            if self._way is not _Way.COUNT:
                raise _UntrustedError
            if not LEAST_RATE_HZ <= rate_hz <= MOST_RATE_HZ:
                continue
            key = (rate_hz, frame.format.name, frame.layout.name)
            if key not in self._resamplers:
                self._resamplers[key] = av.AudioResampler(rate=self.sample_rate_hz)
            frame.pts = None
            yield from self._resamplers[key].resample(frame)

    # --- Reading ------------------------------------------------------------------------------------------------------

    def _stretch(self, start: int, n_samples: int) -> Stretch:
        stop = max(start, min(start + n_samples, self.n_samples))
        mono = np.zeros(stop - start, np.float32)
        n_heard = 0
        for at, frames in self._grouped(start):
            block = _mono(_channels(frames))
            lower, upper = max(at, start), min(at + len(block), stop)
            if lower < upper:
                mono[lower - start : upper - start] = block[lower - at : upper - at]
                n_heard += upper - lower
            if at + len(block) >= stop:
                break
        return Stretch(mono, start, n_heard)

    def _filled(self, start: int) -> Iterator[Block]:
        """Yield blocks from `start` to the end, with silence in the gaps."""
        done = start
        for at, frames in self._grouped(0):
            channels, layout = _channels(frames), frames[0].layout.name
            stop = min(at + channels.shape[1], self.n_samples)
            while done < min(at, stop):
                gap = np.zeros((len(channels), min(at - done, _BLOCK_VALUES)), np.float32)
                yield Block(gap[0], gap, layout)
                done += gap.shape[1]
            if done < stop:
                yield Block(_mono(channels)[done - at : stop - at], channels[:, done - at : stop - at], layout)
                done = stop

    def _grouped(self, start: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield neighbouring frames of one kind with the sample at which they begin, from `start` or before it."""
        group: list[Any] = []
        kind: tuple[str, int] | None = None
        begin = end = n_values = 0
        for at, frame in self._located(start):
            alike = (frame.format.name, frame.layout.nb_channels)
            if group and (alike != kind or n_values >= _BLOCK_VALUES or at != end):
                yield begin, group
                group = []
            if not group:
                kind, begin, n_values = alike, at, 0
            group.append(frame)
            n_values += frame.samples * alike[1]
            end = at + frame.samples
        if group:
            yield begin, group

    def _located(self, start: int) -> Iterator[tuple[int, Any]]:
        """Yield frames with the sample at which each begins, without overlap; what is bad or missing leaves a gap."""
        near = round(_TOLERANCE_S * self.sample_rate_hz)
        from_start, packets = self._near(start)
        at = 0
        # After a seek, the place is the median of what the first time stamps say.
        ahead: list[tuple[int, Any]] | None = None if from_start else []
        shifts: list[int] = []
        for packet, frames in self._decoded(packets):
            if frames is None and self._way is not _Way.COUNT and (at or not from_start):
                at += round((packet.duration or 0) * self._samples_in_tick)
            if at >= self.n_samples:
                break
            for frame in self._alike(frames):
                stamp = at if self._way is _Way.COUNT or frame.pts is None else self._position(frame.pts)
                if ahead is not None:
                    ahead.append((at, frame))
                    shifts.append(stamp - at)
                    at += frame.samples
                    if at >= near:
                        shift = self._shift(shifts, start + near)
                        yield from ((place + shift, each) for place, each in ahead)
                        at, ahead = at + shift, None
                    continue
                if stamp < at - near:
                    raise _UntrustedError
                at = stamp if stamp > at + near else at
                yield at, frame
                at += frame.samples
        if ahead:
            shift = self._shift(shifts, start + near)
            yield from ((place + shift, each) for place, each in ahead)

    @staticmethod
    def _shift(shifts: Sequence[int], at_most: int) -> int:
        shift = round(float(np.median(shifts)))
        if shift > at_most:
            raise _UntrustedError
        return shift

    def _near(self, start: int) -> tuple[bool, Iterable[Any]]:
        """Go to a packet from which the sound is whole at `start`; return whether it is the first, and the packets."""
        is_first = self._way is _Way.COUNT or start <= _PREROLL_S * self.sample_rate_hz
        ticks = 0 if is_first else self._origin + self._ticks(start / self.sample_rate_hz - _PREROLL_S)
        if self._way is _Way.SEEK and not is_first:
            try:
                self._seek(ticks)
            except av.FFmpegError as error:
                raise _UntrustedError from error
            return False, self._packets()
        packets: Iterable[Any] = self._kept
        if self._kept:
            self._decoder.flush_buffers()
        else:
            self._open()
            packets = self._packets()
        if is_first:
            return True, packets
        return False, (packet for packet in packets if packet.pts is not None and packet.pts >= ticks)


def _channels(frames: Sequence[Any]) -> NDArray[np.float32]:
    """Return the sound of frames of one kind, `(n_channels, n_samples)`, full scale at 1.0."""
    n_channels, kind = frames[0].layout.nb_channels, np.dtype(_DTYPES[frames[0].format.packed.name])
    if frames[0].format.is_planar:
        raw = [_joined(frames, i, kind, kind.itemsize) for i in range(n_channels)]
    else:
        packed = _joined(frames, 0, kind, kind.itemsize * n_channels)
        raw = [packed[i::n_channels] for i in range(n_channels)]
    if kind.kind == "f":
        return np.stack([_tamed(each) for each in raw])
    channels = np.stack(raw, dtype=np.float32, casting="unsafe")
    if kind == np.uint8:
        channels -= np.float32(128)
    channels *= np.float32(2.0 ** (1 - 8 * kind.itemsize))
    return channels


def _mono(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mix channels to `(n_samples,)`: their mean, or the loudest where they cancel out."""
    n_channels = len(channels)
    if n_channels == 1:
        return channels[0]
    total: NDArray[np.float32] = channels.sum(axis=0)
    powers = [float(np.dot(channel, channel)) for channel in channels]
    if float(np.dot(total, total)) < _CANCELLED * n_channels * sum(powers):
        # Of equals the first, so that neighbouring blocks agree.
        return channels[next(i for i, power in enumerate(powers) if 2 * power >= max(powers))]
    total /= np.float32(n_channels)
    return total


def _joined(frames: Sequence[Any], plane: int, kind: np.dtype[Any], sample_bytes: int) -> NDArray[Any]:
    parts = [memoryview(frame.planes[plane])[: frame.samples * sample_bytes] for frame in frames]
    return np.frombuffer(b"".join(parts), kind)


def _tamed(channel: NDArray[np.floating]) -> NDArray[np.float32]:
    sound = channel.astype(np.float32, copy=False)
    # Not a number is neither above nor below.
    if not sound.size or (sound.max() <= CEILING and sound.min() >= -CEILING):
        return sound
    return np.clip(np.nan_to_num(sound, nan=0.0, posinf=0.0, neginf=0.0), -CEILING, CEILING)


# --- Comparing --------------------------------------------------------------------------------------------------------


def encoded_sound(path: Path, *, with_last: bool = False) -> Iterator[bytes]:
    """Yield the encoded sound of a recording, packet by packet, which no change of its tags changes.

    Unless asked for, the last packet is left out: some formats join it with the tags at the end, and a file that is cut
    off cuts it.

    Raises:
        FileRejectedError, OSError: As from `Recording`.
    """
    with path.open("rb") as stream, _opened(stream) as container:
        if not container.streams.audio:
            return
        track, last = container.streams.audio[0], b""
        for _fault in range(_MOST_FAULTS):
            try:
                for packet in container.demux(track):
                    if packet.size and last:
                        yield last
                    last = bytes(packet) or last
            except av.FFmpegError:
                continue
            if with_last and last:
                yield last
            return


# --- Opening ----------------------------------------------------------------------------------------------------------


class Behind:
    """A file without its name, from a place on: a container may lie behind tags that are not its own."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        self._stream, self._start = stream, start

    def read(self, n_bytes: int = -1) -> bytes:
        return self._stream.read(n_bytes)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset + (self._start if whence == os.SEEK_SET else 0), whence) - self._start

    def tell(self) -> int:
        return self._stream.tell() - self._start


def _opened(stream: BinaryIO) -> InputContainer:
    stream.seek(0)
    head = stream.read(4096)
    start = end_of_tags(stream)
    stream.seek(start)
    inner = stream.read(64)
    known = next((demuxer for at, magic, _name, demuxer in _BEGINNINGS if inner[at : at + len(magic)] == magic), None)
    if known is None and start:
        # Without a name, FFmpeg gives up on a tag (with its cover) larger than its probe window of 1 MiB; and a hundred
        # thousand small frames of a tag cost it a minute.
        is_adts = len(inner) > 1 and inner[0] == 0xFF and inner[1] & 0xF6 == 0xF0
        known, start = "aac" if is_adts else "mp3", start if inner else 0
    options = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": ""}
    if known == "wav":
        # FFmpeg otherwise reads megabytes of it, in search of other codecs.
        options["probesize"] = "65536"
    stream.seek(start)
    try:
        return av.open(Behind(stream, start), mode="r", format=known, options=options, metadata_errors="replace")
    except _FAULTS as error:
        raise _refusal(head) from error


def end_of_tags(stream: BinaryIO) -> int:
    """Return where the tags before a container end: ID3v2, even several, and APEv2, with what pads them."""
    start = 0
    for _tag in range(16):
        stream.seek(start)
        head = stream.read(65_536 if start else 32)
        if head[:3] == b"ID3" and len(head) >= 10:
            size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
            start += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head[:8] == b"APETAGEX" and len(head) >= 32:
            start += 32 + int.from_bytes(head[12:16], "little")
        elif start and head[:1] == b"\0" and head[4:8] != b"ftyp":
            padding = len(head) - len(head.lstrip(b"\0"))
            # An MP4 begins with NULs itself.
            start += padding - 3 if head[padding + 1 : padding + 5] == b"ftyp" else padding
        else:
            break
    return start


def _is_chained(stream: BinaryIO) -> bool:
    """Whether a second stream begins in an Ogg file."""
    begin = b"OggS\0\2"
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(begin, data.find(begin) + 1) > 0


def _refusal(head: bytes) -> FileRejectedError:
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return FileRejectedError("video", _(_VIDEO) % {"kind": "AVI"})
    cut_off = _(
        "It starts like %(format)s but cannot be read: it is damaged or truncated. Copy it from its source again."
    )
    for offset, magic, name, _demuxer in _BEGINNINGS:
        if head[offset : offset + len(magic)] == magic:
            return FileRejectedError("damaged", cut_off % {"format": name})
    return FileRejectedError(
        "not_audio",
        _("This is not an audio file: its content looks like %(guess)s. Moodplane accepts %(formats)s.")
        % {"guess": _(_guess(head)), "formats": _(_ACCEPTED)},
    )


def _guess(head: bytes) -> str:
    for magic, name in _GUESSES:
        if head.startswith(magic):
            return name
    try:
        # The window may end inside a character.
        text = head.decode("utf-8", errors="strict" if len(head) < 4096 else "ignore")
    except UnicodeDecodeError:
        return _UNKNOWN_DATA
    readable = sum(char.isprintable() or char.isspace() for char in text)
    return gettext_noop("text") if readable > 0.95 * len(text) else _UNKNOWN_DATA


def _refuse_video(container: InputContainer) -> None:
    for video in container.streams.video:
        # A cover is a video stream of one picture to FFmpeg, and the pictures of chapters are one of a few.
        seconds = float((video.duration or 0) * video.time_base) if video.time_base else 0.0
        if video.disposition & _PICTURE or 0 < video.frames <= max(1.0, seconds / _PICTURE_S):
            continue
        context = video.codec_context
        size = f", {context.width}x{context.height}" if context and context.width else ""
        kind = context.codec.canonical_name if context else _("unknown codec")
        raise FileRejectedError("video", _(_VIDEO) % {"kind": f"{kind}{size}"})


def _codec(context: Any, codecs: tuple[str, ...]) -> str:
    codec = context.codec.canonical_name if context else ""
    if not any(codec == each or (each.endswith("_") and codec.startswith(each)) for each in codecs):
        known = _("The audio in this file is encoded as %(codec)s. Moodplane accepts %(formats)s.")
        unknown = _(
            "The audio in this file is copy-protected or has an unknown encoding. Moodplane accepts %(formats)s."
        )
        sentence = (known if codec else unknown) % {"codec": codec, "formats": _(_ACCEPTED)}
        raise FileRejectedError("unsupported_codec", sentence)
    return str(codec)


def _refuse_numbers(sample_rate_hz: int, channels: int) -> None:
    if sample_rate_hz and not LEAST_RATE_HZ <= sample_rate_hz <= MOST_RATE_HZ:
        sentence = _("Its sample rate is %(rate)s Hz; Moodplane accepts %(least)d to %(most)d kHz.")
        limits = {"least": LEAST_RATE_HZ // 1000, "most": MOST_RATE_HZ // 1000}
        raise FileRejectedError("unsupported_rate", sentence % {"rate": number(sample_rate_hz), **limits})
    if channels > MOST_CHANNELS:
        sentence = _("It has %(channels)d channels; Moodplane accepts at most %(most)d.")
        raise FileRejectedError("unsupported_channels", sentence % {"channels": channels, "most": MOST_CHANNELS})


def nothing_decodes() -> FileRejectedError:
    """Return the refusal of a file without any sound in it."""
    return FileRejectedError(
        "undecodable",
        _(
            "No audio could be decoded from this file: it is damaged, or only looks like audio. "
            "Copy it from its source again."
        ),
    )
