"""Strangers' files are read in processes with limits."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import av
import mutagen
import pytest
from django.utils import translation

from catalog.exceptions import FileRejectedError, ReadingInterruptedError
from catalog.files import isolation
from catalog.files.isolation import probe_isolated
from catalog.files.probe import probe
from catalog.files.tags import AudioTags
from tests.audio_fixtures import make_audio


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_audio(tmp_path_factory.mktemp("isolation") / "song.mp3", tags={"title": "Wellen"})


def _probed(path: Path) -> Any:
    return probe_isolated(path)


def test_another_process_says_the_same(song: Path) -> None:
    assert _probed(song) == probe(song)


def test_the_asking_process_opens_no_file(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("parsed in the process that asks")

    monkeypatch.setattr(av, "open", refuse)
    monkeypatch.setattr(mutagen, "File", refuse)
    assert _probed(song).tags.title == "Wellen"


def test_sound_is_taken_without_tags_that_cost_too_much(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "tags_of", _hoard)
    facts = _probed(song)
    assert facts.duration_s == pytest.approx(6.0, abs=0.1)
    assert (facts.tags, facts.cover) == (AudioTags(), None)
    assert facts.remark == "Reading its tags took too much time or memory, so it was taken without them."


def test_a_refusal_speaks_the_language_of_the_person(tmp_path: Path) -> None:
    short = make_audio(tmp_path / "short.wav", 2.5)
    with translation.override("de"), pytest.raises(FileRejectedError, match=r"2,5 s") as refused:
        _probed(short)
    assert refused.value.code == "too_short"
    with pytest.raises(FileRejectedError, match=r"It is 2\.5 s long"):
        _probed(short)


def _spin(_path: Path, *_args: object, **_options: object) -> None:
    while True:
        pass


def _crash(_path: Path, *_args: object, **_options: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _hoard(_path: Path, *_args: object, **_options: object) -> None:
    bytearray(1 << 30)


def _write(path: Path, *_args: object, **_options: object) -> None:
    path.with_suffix(".new").write_bytes(b"x")


@pytest.mark.parametrize("fault", [_spin, _crash, _hoard])
def test_a_process_at_its_limit_is_replaced(song: Path, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "_SOUND", isolation._Limit(1, 0.0))
        patch.setattr(isolation, "sound_probe", fault)
        with pytest.raises(FileRejectedError, match=r"more time or memory than a song does") as refused:
            _probed(song)
    assert refused.value.code == "too_costly"
    assert _probed(song).tags.title == "Wellen"


def _end_once(path: Path, *_args: object, **_options: object) -> Any:
    mark = path.with_suffix(".ended")
    if not mark.exists():
        # A folder, since no file can be written.
        mark.mkdir()
        os.kill(os.getpid(), signal.SIGKILL)
    return probe(path)


def _end(_path: Path, *_args: object, **_options: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_process_that_somebody_ends_refuses_no_file(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "sound_probe", _end_once)
        assert _probed(song).tags.title == "Wellen"
        patch.setattr(isolation, "sound_probe", _end)
        with pytest.raises(ReadingInterruptedError, match="nothing is wrong with it"):
            _probed(song)
    assert _probed(song).tags.title == "Wellen"


def test_a_process_writes_no_file(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "sound_probe", _write)
    with pytest.raises(OSError, match="File too large"):
        _probed(song)
    assert not song.with_suffix(".new").stat().st_size
