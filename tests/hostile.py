"""Files that are made to hurt: mutations of good recordings, and bombs, which are small and cost much to read."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

from tests.encodings import ENCODINGS, chirp, encode

MIB = 1 << 20
_RATE_HZ = 22_050


def originals(folder: Path, seconds: float = 8.0) -> dict[str, bytes]:
    """Return a good recording in every encoding, by its file name."""
    sound = chirp(seconds, 44_100)
    files = (encode(folder / name, sound, name) for name in ENCODINGS)
    return {f"{path.stem}{path.suffix}": path.read_bytes() for path in files}


def mutated(good: dict[str, bytes], n_files: int, rng: Generator) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of damaged copies, each damaged in one to three ways."""
    names = list(good)
    for number in range(n_files):
        name = names[number % len(names)]
        data = bytearray(good[name])
        for _damage in range(int(rng.integers(1, 4))):
            damage = _DAMAGES[int(rng.integers(len(_DAMAGES)))]
            data = damage(data, rng, good[names[int(rng.integers(len(names)))]])
        yield f"mutated-{number}-{name}", bytes(data)


def bombs(mp3: bytes, n_files: int, rng: Generator, *, largest: float = 1.0) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of bombs; every kind at its `largest`, then again smaller."""
    kinds = list(_BOMBS.items())
    for number in range(n_files):
        name, make = kinds[number % len(kinds)]
        scale = largest * (1.0 if number < len(kinds) else float(rng.uniform(0.1, 1.0)))
        yield f"bomb-{number}-{name}", make(mp3, scale)


# --- Mutations --------------------------------------------------------------------------------------------------------


def _flip(data: bytearray, rng: Generator, _other: bytes) -> bytearray:
    for at in rng.integers(0, max(1, len(data)), size=int(rng.integers(1, 200))):
        data[at : at + 1] = bytes([int(rng.integers(256))]) if at < len(data) else b""
    return data


def _flip_header(data: bytearray, rng: Generator, _other: bytes) -> bytearray:
    for at in rng.integers(0, max(1, min(len(data), 512)), size=int(rng.integers(1, 12))):
        data[at : at + 1] = bytes([int(rng.choice([0, 1, 127, 128, 254, 255]))])
    return data


def _number_changed(data: bytearray, rng: Generator, _other: bytes) -> bytearray:
    at = int(rng.integers(0, max(1, min(len(data) - 4, 4096))))
    data[at : at + 4] = struct.pack(">I", int(rng.choice([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1])))
    return data


def _cut(data: bytearray, rng: Generator, _other: bytes) -> bytearray:
    return data[: int(rng.integers(0, len(data) + 1))]


def _beginning_lost(data: bytearray, rng: Generator, _other: bytes) -> bytearray:
    return data[int(rng.integers(0, min(len(data), 5000) + 1)) :]


def _hole(data: bytearray, rng: Generator, _other: bytes) -> bytearray:
    at, size = int(rng.integers(0, len(data) + 1)), int(rng.integers(1, 20_000))
    return data[:at] + data[at + size :]


def _zeroed(data: bytearray, rng: Generator, _other: bytes) -> bytearray:
    at, size = int(rng.integers(0, len(data) + 1)), int(rng.integers(1, 20_000))
    return data[:at] + bytes(size) + data[at + size :]


def _repeated(data: bytearray, rng: Generator, _other: bytes) -> bytearray:
    at, size = int(rng.integers(0, len(data) + 1)), int(rng.integers(1, 3000))
    return data[:at] + data[at : at + size] * int(rng.integers(2, 20)) + data[at + size :]


def _spliced(data: bytearray, rng: Generator, other: bytes) -> bytearray:
    return data[: int(rng.integers(0, len(data) + 1))] + other[int(rng.integers(0, len(other))) :]


def _noise(data: bytearray, rng: Generator, _other: bytes) -> bytearray:
    at = int(rng.integers(0, len(data) + 1))
    return data[:at] + rng.bytes(int(rng.integers(1, 5000))) + data[at:]


_DAMAGES: tuple[Callable[[bytearray, Generator, bytes], bytearray], ...] = (
    *(_flip, _flip_header, _number_changed, _cut, _beginning_lost),
    *(_hole, _zeroed, _repeated, _spliced, _noise),
)


# --- Bombs ------------------------------------------------------------------------------------------------------------


def _synchsafe(number: int) -> bytes:
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


def _id3(frames: bytes, version: int = 3, flags: int = 0) -> bytes:
    return b"ID3" + bytes([version, 0, flags]) + _synchsafe(len(frames)) + frames


def _frame(name: bytes, data: bytes, flags: int = 0) -> bytes:
    return name + struct.pack(">IH", len(data), flags) + data


def _compressed(name: bytes, text: bytes, claim: int | None = None) -> bytes:
    size = struct.pack(">I", len(text) if claim is None else claim)
    return _frame(name, size + zlib.compress(text, 9), 0x0080)


def _times(scale: float, number: int) -> int:
    return max(1, int(scale * number))


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


_M4A = _box(b"ftyp", b"M4A \0\0\0\0M4A ")


def _nested(depth: int) -> bytes:
    # Sizes from the inside: each box holds the next.
    return b"".join(struct.pack(">I", 8 * (depth - i)) + b"moov" for i in range(depth))


def _mp4(table: bytes) -> bytes:
    """Return an MP4 with one AAC track whose sample tables are `table`."""
    header = struct.pack(">IIIII", 0, 0, 0, 1000, 0) + bytes(80)
    sound = bytes(6) + struct.pack(">HIIHHHHI", 1, 0, 0, 2, 16, 0, 0, 44_100 << 16)
    described = struct.pack(">II", 0, 1) + _box(b"mp4a", sound)
    media = _box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 44_100, 2**32 - 1, 0, 0))
    media += _box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    media += _box(b"minf", _box(b"smhd", bytes(8)) + _box(b"stbl", _box(b"stsd", described) + table))
    track = _box(b"tkhd", bytes(84)) + _box(b"mdia", media)
    return _M4A + _box(b"moov", _box(b"mvhd", header) + _box(b"trak", track)) + bytes(4096)


def _tables(n_samples: int) -> bytes:
    return (
        _box(b"stts", struct.pack(">IIII", 0, 1, n_samples, 1024))
        + _box(b"stsc", struct.pack(">IIIII", 0, 1, 1, n_samples, 1))
        + _box(b"stsz", struct.pack(">III", 0, 1, n_samples))
        + _box(b"stco", struct.pack(">III", 0, 1, 600))
    )


def _wav(rate_hz: int, channels: int, bits: int, data: bytes, claim: int, extra: bytes = b"") -> bytes:
    block = max(1, channels * bits // 8) & 0xFFFF
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, (rate_hz * block) & 0xFFFFFFFF, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + extra + b"data" + struct.pack("<I", claim) + data
    return b"RIFF" + struct.pack("<I", min(len(body), 2**32 - 1)) + body


def _aiff(n_frames: int, rate: bytes) -> bytes:
    common = struct.pack(">HIH", 2, n_frames, 16) + rate
    body = b"AIFF" + b"COMM" + struct.pack(">I", 18) + common + b"SSND" + struct.pack(">III", 2**31, 0, 0) + bytes(4096)
    return b"FORM" + struct.pack(">I", len(body)) + body


def _flac_blocks(*blocks: tuple[int, bytes]) -> bytes:
    out = b"fLaC"
    for i, (kind, data) in enumerate(blocks):
        out += bytes([kind | (0x80 if i == len(blocks) - 1 else 0)]) + len(data).to_bytes(3, "big") + data
    return out


def _streaminfo(rate_hz: int, n_samples: int) -> tuple[int, bytes]:
    packed = (rate_hz << 44) | (15 << 36) | (n_samples & (2**36 - 1))
    return 0, struct.pack(">HH", 65_535, 65_535) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    top, mask, crc = 1 << (bits - 1), (1 << bits) - 1, 0
    for byte in data:
        crc ^= byte << (bits - 8)
        for _bit in range(8):
            crc = ((crc << 1) ^ polynomial if crc & top else crc << 1) & mask
    return crc


def _flac_hours(_mp3: bytes, scale: float) -> bytes:
    """Return frames of 65,535 equal samples in a dozen bytes each."""
    frames = bytearray()
    for number in range(_times(scale, 5000)):
        # UTF-8's scheme for the frame's number, extended.
        coded = chr(number).encode("utf-8", "surrogatepass")
        head = b"\xff\xf8\x70\x08" + coded + struct.pack(">H", 65_534)
        frame = head + bytes([_crc(head, 0x07, 8)]) + b"\0\x12\x34"
        frames += frame + struct.pack(">H", _crc(frame, 0x8005, 16))
    return _flac_blocks(_streaminfo(44_100, 0)) + bytes(frames)


def _ogg_page(packet: bytes, serial: int, number: int, granule: int, kind: int) -> bytes:
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    page = struct.pack("<4sBBqIIIB", b"OggS", 0, kind, granule, serial, number, 0, len(lacing)) + lacing + packet
    return page[:22] + struct.pack("<I", _crc(page, 0x04C11DB7, 32)) + page[26:]


def _opus(packets: list[bytes], serial: int = 1, comment: bytes = b"") -> bytes:
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 312, 48_000, 0, 0)
    tags = comment or b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
    out = _ogg_page(head, serial, 0, 0, 2) + _ogg_page(tags[:60_000], serial, 1, 0, 0)
    for i, packet in enumerate(packets):
        out += _ogg_page(packet, serial, 2 + i, 5760 * (i + 1), 4 if i == len(packets) - 1 else 0)
    return out


def _adts(rates: list[int], payload: bytes = b"\x21\x10\x04\x60\x8c\x1c") -> bytes:
    out = bytearray()
    for rate in rates:
        size = 7 + len(payload)
        word = (0xFFF1 << 40) | (1 << 38) | (rate << 34) | (2 << 30) | (size << 13) | (0x7FF << 2)
        out += word.to_bytes(7, "big") + payload
    return bytes(out)


def _picture(side: int) -> bytes:
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG")
    return out.getvalue()


def _comment(entries: int, claim: int, text: bytes = b"ARTIST=x") -> bytes:
    return struct.pack("<I", 0) + struct.pack("<I", claim) + (struct.pack("<I", len(text)) + text) * entries


def _apic(data: bytes) -> bytes:
    return _frame(b"APIC", b"\0image/png\0\3\0" + data)


_BOMBS: dict[str, Callable[[bytes, float], bytes]] = {
    # ID3: compressed frames, texts that are slow to clean, very many frames, and false sizes.
    "id3-inflated.mp3": lambda mp3, k: _id3(_compressed(b"TPE1", b"\3" + b"A" * _times(k, 200 * MIB))) + mp3,
    "id3-inflated-nul.mp3": lambda mp3, k: _id3(_compressed(b"TPE1", b"\0" * _times(k, 200 * MIB))) + mp3,
    "id3-inflated-often.mp3": lambda mp3, k: (
        _id3(b"".join(_compressed(b"TXXX", b"\3%d\0" % i + b"A" * MIB) for i in range(_times(k, 300)))) + mp3
    ),
    "id3-inflated-cover.mp3": lambda mp3, k: (
        _id3(_compressed(b"APIC", b"\0image/png\0\3\0\x89PNG\r\n\x1a\n" + bytes(_times(k, 200 * MIB)))) + mp3
    ),
    "id3-claims-4-gib.mp3": lambda mp3, k: _id3(_compressed(b"TPE1", b"\3A", 2**32 - 1)) + mp3,
    "id3-nul.mp3": lambda mp3, k: _id3(_frame(b"TPE1", bytes(_times(k, 800_000)))) + mp3,
    "id3-nul-utf16.mp3": lambda mp3, k: _id3(_frame(b"TPE1", b"\1\xff\xfe" + b"a\0\0\0" * _times(k, 400_000))) + mp3,
    "id3-accents.mp3": lambda mp3, k: (
        _id3(_frame(b"TPE1", b"\3a" + "\u0316\u0301".encode() * _times(k, 100_000)), 3) + mp3
    ),
    "id3-spaces.mp3": lambda mp3, k: _id3(_frame(b"TIT2", b"\0" + b" " * _times(k, 2_000_000))) + mp3,
    "id3-genres.mp3": lambda mp3, k: _id3(_frame(b"TCON", b"\0" + b"(17)" * _times(k, 400_000))) + mp3,
    "id3-dates.mp3": lambda mp3, k: _id3(_frame(b"TDRC", b"\0" + b"2" * _times(k, 1_000_000))) + mp3,
    "id3-frames.mp3": lambda mp3, k: (
        _id3(b"".join(_frame(b"TXXX", b"\0%d\0x" % i) for i in range(_times(k, 60_000)))) + mp3
    ),
    "id3-same-frames.mp3": lambda mp3, k: _id3(_frame(b"TPE1", b"\0x") * _times(k, 100_000)) + mp3,
    "id3-chapters.mp3": lambda mp3, k: (
        _id3(b"".join(_frame(b"CHAP", b"%d\0" % i + bytes(16)) for i in range(_times(k, 20_000)))) + mp3
    ),
    "id3-size-256-mib.mp3": lambda mp3, k: b"ID3\3\0\0\x7f\x7f\x7f\x7f" + mp3,
    "id3-unsynchronised.mp3": lambda mp3, k: _id3(b"\xff\0" * _times(k, 500_000), 4, 0x80) + mp3,
    "id3-hundred-tags.mp3": lambda mp3, k: _id3(_frame(b"TIT2", b"\0x")) * _times(k, 100) + mp3,
    "id3-cover-of-a-gigapixel.mp3": lambda mp3, k: _id3(_apic(_picture(_times(k, 30_000)))) + mp3,
    "id3-covers.mp3": lambda mp3, k: _id3(_apic(_picture(16)) * _times(k, 5_000)) + mp3,
    "ape-items.mp3": lambda mp3, k: (
        mp3
        + b"APETAGEX"
        + struct.pack("<IIII", 2000, 32, 2**32 - 1, 0)
        + bytes(8)
        + (struct.pack("<II", 1, 0) + b"Artist\0x") * _times(k, 50_000)
        + b"APETAGEX"
        + struct.pack("<IIII", 2000, 32 + 16 * _times(k, 50_000), 2**32 - 1, 0)
        + bytes(8)
    ),
    # Hours of sound in a few bytes.
    "flac-constant.flac": _flac_hours,
    "opus-dtx.opus": lambda mp3, k: _opus([b"\xfc"] * _times(k, 8_000)),
    "opus-chained.opus": lambda mp3, k: b"".join(_opus([b"\xfc"] * 3, i) for i in range(_times(k, 1_500))),
    "adts-rates.aac": lambda mp3, k: _adts([i % 12 for i in range(_times(k, 20_000))]),
    "adts-empty.aac": lambda mp3, k: _adts([4] * _times(k, 60_000), b""),
    "mp3-tiny-frames.mp3": lambda mp3, k: (b"\xff\xf3\x14\xc4" + bytes(20)) * _times(k, 40_000),
    # Numbers in headers.
    "wav-rate.wav": lambda mp3, k: _wav(50_000_000, 2, 16, bytes(400_000), 400_000),
    "wav-channels.wav": lambda mp3, k: _wav(44_100, 65_535, 16, bytes(400_000), 2**32 - 1),
    "wav-bits.wav": lambda mp3, k: _wav(44_100, 2, 65_535, bytes(400_000), 2**32 - 1),
    "wav-size.wav": lambda mp3, k: _wav(8_000, 1, 8, bytes(_times(k, 400_000)), 2**32 - 1),
    "wav-lists.wav": lambda mp3, k: _wav(
        8_000, 1, 8, bytes(80_000), 80_000, (b"LIST" + struct.pack("<I", 4) + b"INFO") * _times(k, 50_000)
    ),
    "wav-info.wav": lambda mp3, k: _wav(
        8_000, 1, 8, bytes(80_000), 80_000, b"LIST" + struct.pack("<I", 2**31) + b"INFOINAM" + struct.pack("<I", 2**31)
    ),
    "aiff-frames.aiff": lambda mp3, k: _aiff(2**32 - 1, b"\x40\x0e\xac\x44" + bytes(6)),
    "aiff-rate.aiff": lambda mp3, k: _aiff(1000, b"\x7f\xff" + b"\xff" * 8),
    "flac-comments.flac": lambda mp3, k: _flac_blocks(_streaminfo(44_100, 10**6), (4, _comment(1, 2**32 - 1))),
    "flac-comment-list.flac": lambda mp3, k: _flac_blocks(
        _streaminfo(44_100, 10**6), (4, _comment(_times(k, 100_000), _times(k, 100_000)))
    ),
    "flac-seek-table.flac": lambda mp3, k: _flac_blocks(
        _streaminfo(44_100, 2**36 - 1), (3, b"\xff" * 18 * _times(k, 100_000))
    ),
    "flac-pictures.flac": lambda mp3, k: _flac_blocks(
        _streaminfo(44_100, 10**6),
        *[(6, struct.pack(">IIIIIIII", 3, 0, 0, 2**31, 2**31, 24, 0, 2**31))] * _times(k, 5_000),
    ),
    "flac-rate.flac": lambda mp3, k: _flac_blocks(_streaminfo(2**20 - 1, 2**36 - 1)) + bytes(4096),
    "opus-comments.opus": lambda mp3, k: _opus([b"\xfc"] * 100, 1, b"OpusTags" + _comment(_times(k, 4000), 2**32 - 1)),
    "mp4-nested.m4a": lambda mp3, k: _M4A + _nested(_times(k, 100_000)),
    "mp4-samples.m4a": lambda mp3, k: _mp4(_tables(2**31 - 1)),
    "mp4-sizes.m4a": lambda mp3, k: _mp4(_box(b"stsz", struct.pack(">III", 0, 0, 2**32 - 1)) + _tables(1000)),
    "mp4-tracks.m4a": lambda mp3, k: _M4A + _box(b"moov", _box(b"trak", _box(b"tkhd", bytes(84))) * _times(k, 20_000)),
    "mp4-cover.m4a": lambda mp3, k: (
        _M4A + _box(b"moov", _box(b"udta", _box(b"meta", bytes(4) + _box(b"ilst", struct.pack(">I", 2**31) + b"covr"))))
    ),
    # What only calls itself audio.
    "playlist.mp3": lambda mp3, k: b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n" * 100,
    "concat.mp3": lambda mp3, k: b"ffconcat version 1.0\nfile /etc/passwd\n" * 100,
    "nothing.flac": lambda mp3, k: b"fLaC",
    "noughts.mp3": lambda mp3, k: bytes(_times(k, 2_000_000)),
    "noise.ogg": lambda mp3, k: b"OggS" + np.random.default_rng(int(k * 1e6)).bytes(200_000),
    "syncwords.mp3": lambda mp3, k: b"\xff\xfb" * _times(k, 500_000),
    "syncwords.aac": lambda mp3, k: b"\xff\xf1" * _times(k, 500_000),
    "pages.ogg": lambda mp3, k: (b"OggS" + bytes(22) + b"\0") * _times(k, 50_000),
    "atoms.m4a": lambda mp3, k: _box(b"ftyp", b"M4A ") + _box(b"free", b"") * _times(k, 200_000),
}
N_BOMBS = len(_BOMBS)
