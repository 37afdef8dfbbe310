"""Walking folders: what is audio, what is left out and counted, and what is never opened."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from django.utils import translation

from catalog.uploads.walking import AUDIO_SUFFIXES, UNTAKEN_SUFFIXES, LeftOut, audio_walk, left_out_words


def walked(*paths: Path) -> tuple[list[str], LeftOut]:
    left_out = LeftOut()
    root = paths[0]
    return [str(path.relative_to(root)) for path, _status in audio_walk(paths, left_out)], left_out


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_every_file_is_taken_or_counted_by_kind(tmp_path: Path) -> None:
    taken, untaken = ("a.mp3", "cd 2/b.FLAC"), ("c.wma", "d.WMA", "cd 2/e.ape")
    for name in (*taken, *untaken, "cover.jpg", "notes", ".x.mp3", ".trash/f.mp3"):
        touch(tmp_path / name)

    names, left_out = walked(tmp_path)

    assert names == ["a.mp3", "cd 2/b.FLAC"]
    assert left_out_words(left_out.counts()) == [
        "3 files of formats that are not taken: 2 .wma, 1 .ape.",
        "3 other files ignored.",
        "1 hidden folder ignored.",
    ]
    with translation.override("de"):
        assert "2 .wma, 1 .ape" in left_out_words(left_out.counts())[0]


def test_audio_that_is_not_taken_is_known_as_audio() -> None:
    known = {".wma", ".wv", ".ape", ".mka", ".w64", ".caf", ".dsf", ".dff", ".mpc", ".tta", ".ra", ".mid"}
    assert known <= UNTAKEN_SUFFIXES
    assert not UNTAKEN_SUFFIXES & AUDIO_SUFFIXES


def test_pipes_sockets_and_devices_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp3")
    (tmp_path / "b.mp3").symlink_to("a.mp3")
    (tmp_path / "c.mp3").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(tmp_path)
        try:
            listener.bind("d.mp3")
        finally:
            os.chdir(here)
        names, left_out = walked(tmp_path)
        named = list(audio_walk([tmp_path / "a.mp3"], left_out))

    assert names == []
    assert named == []
    assert [path.name for path in left_out.special] == ["a.mp3", "b.mp3", "c.mp3", "d.mp3", "a.mp3"]


def test_linked_folders_are_read_once_and_circles_end(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "a.mp3")
    root = tmp_path / "music"
    touch(root / "album" / "b.mp3")
    (root / "album" / "up").symlink_to(root)
    (root / "a link before it").symlink_to(root / "album")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "all").symlink_to("/")
    (root / "round").symlink_to(root / "round")
    (root / "lost.mp3").symlink_to(root / "nowhere.mp3")

    names, left_out = walked(root)

    assert names == ["album/b.mp3", "linked/a.mp3"]
    assert sorted(path.name for path in left_out.loops) == ["a link before it", "all", "up"]
    assert sorted(path.name for path in left_out.broken) == ["lost.mp3", "round"]


@pytest.mark.skipif(os.geteuid() == 0, reason="Root reads every folder.")
def test_a_closed_folder_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "closed" / "a.mp3").parent.chmod(0)
    touch(tmp_path / "b.mp3")
    try:
        names, left_out = walked(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)

    assert names == ["b.mp3"]
    assert left_out.unreadable == [(tmp_path / "closed", "Permission denied")]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the one above, for root too."""
    touch(tmp_path / "closed" / "a.mp3")
    scandir = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    _names, left_out = walked(tmp_path)
    assert left_out.unreadable == [(tmp_path / "closed", "Permission denied")]
    assert left_out_words(left_out.counts()) == ["1 folder or file could not be read."]


def test_names_in_no_encoding_and_very_deep_folders_are_walked(tmp_path: Path) -> None:
    touch(tmp_path / os.fsdecode(b"caf\xe9.mp3"))
    deep = tmp_path.joinpath(*["x" * 60] * 20)
    touch(deep / "b.mp3")

    names, left_out = walked(tmp_path)

    assert [os.fsencode(name)[-7:] for name in names] == [b"af\xe9.mp3"[-7:], os.fsencode(str(deep / "b.mp3"))[-7:]]
    assert left_out_words(left_out.counts()) == []
