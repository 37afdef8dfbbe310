"""Short synthetic recordings in every format that the catalog takes, and the broken ones that it refuses."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile as sf
from numpy.typing import NDArray

# codec -> (FFmpeg muxer, FFmpeg encoder); libsndfile writes the formats that are missing here.
_FFMPEG = {
    "mp3": ("mp3", "libmp3lame"),
    "opus": ("ogg", "libopus"),
    "m4a": ("ipod", "aac"),
    "aac": ("adts", "aac"),
}
_SNDFILE = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS"), "aiff": ("AIFF", "PCM_16")}
CODECS = (*_SNDFILE, *_FFMPEG)


def make_waveform(
    seconds: float, *, sample_rate_hz: int = 22_050, channels: int = 2, frequency_hz: float = 440.0, seed: int = 0
) -> NDArray[np.float32]:
    """Return a chord with a pulse and a little noise, `(n_samples, channels)`, float32 in [-1, 1].

    The seed changes the notes, so that two songs differ in their bytes and in what a network sees.
    """
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    root_hz = frequency_hz * 2 ** (rng.integers(-12, 12) / 12) if seed else frequency_hz
    chord = sum(np.sin(2 * np.pi * root_hz * ratio * time_s) for ratio in (1.0, 1.25, 1.5))
    pulse = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * 2.0 * time_s))
    waveform = 0.2 * chord * pulse + 0.01 * rng.standard_normal(len(time_s))
    return np.repeat(waveform[:, None], channels, axis=1).astype(np.float32)


def make_audio(
    path: Path,
    seconds: float = 6.0,
    codec: str = "",
    *,
    sample_rate_hz: int = 0,
    channels: int = 2,
    frequency_hz: float = 440.0,
    seed: int = 0,
    waveform: NDArray[np.float32] | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """Write a synthetic recording and return its path.

    Args:
        path: where to; its folder is made.
        seconds: length.
        codec: one of `CODECS`; by default the path's suffix.
        sample_rate_hz: by default 22,050, or 48,000 for Opus.
        channels: how many.
        frequency_hz: root of the chord.
        seed: changes the notes.
        waveform: `(n_samples, channels)` to be written in place of the chord.
        tags: title, artist, album, genre, date, track, as FFmpeg names them (FFmpeg's formats and FLAC only).
    """
    codec = codec or path.suffix.lstrip(".").lower()
    rate_hz = sample_rate_hz or (48_000 if codec == "opus" else 22_050)
    if waveform is None:
        waveform = make_waveform(
            seconds, sample_rate_hz=rate_hz, channels=channels, frequency_hz=frequency_hz, seed=seed
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    if codec in _SNDFILE and not tags:
        _write_sndfile(path, waveform, rate_hz, codec)
    else:
        muxer, encoder = _FFMPEG.get(codec) or {"flac": ("flac", "flac"), "wav": ("wav", "pcm_s16le")}[codec]
        _write_ffmpeg(path, waveform, rate_hz, muxer, encoder, tags or {})
    return path


def _write_sndfile(path: Path, waveform: NDArray[np.float32], rate_hz: int, codec: str) -> None:
    container, subtype = _SNDFILE[codec]
    with sf.SoundFile(path, "w", rate_hz, waveform.shape[1], subtype=subtype, format=container) as out:
        # The Vorbis encoder of libsndfile overflows its stack when given minutes at once.
        for start in range(0, len(waveform), rate_hz):
            out.write(waveform[start : start + rate_hz])


def _write_ffmpeg(
    path: Path, waveform: NDArray[np.float32], rate_hz: int, muxer: str, encoder: str, tags: dict[str, str]
) -> None:
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[waveform.shape[1]]
    with av.open(str(path), "w", format=muxer) as out:
        out.metadata.update(tags)
        stream = out.add_stream(encoder, rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform.T), format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)


def make_video(path: Path, seconds: float = 6.0) -> Path:
    """Write an MP4 with a moving picture and sound, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waveform = make_waveform(seconds, channels=1)
    with av.open(str(path), "w", format="mp4") as out:
        picture = out.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("aac", rate=22_050, layout="mono")
        for number in range(round(seconds * 10)):
            image = np.full((48, 64, 3), number * 4 % 256, dtype=np.uint8)
            out.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform.T), format="fltp", layout="mono")
        frame.sample_rate = 22_050
        frame.pts = 0
        out.mux(sound.encode(frame))
        out.mux(picture.encode(None))
        out.mux(sound.encode(None))
    return path
