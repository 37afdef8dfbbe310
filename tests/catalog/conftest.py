"""What several of the catalog's tests need."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.models import Song
from catalog.signals import song_uploaded
from catalog.uploads.services import upload_create
from tests.audio_fixtures import make_audio


@pytest.fixture
def announced() -> Iterator[list[int]]:
    """Ids of the songs that were announced, in order."""
    ids: list[int] = []

    def note(song_ids: list[int], **_: object) -> None:
        ids.extend(song_ids)

    song_uploaded.connect(note)
    yield ids
    song_uploaded.disconnect(note)


@pytest.fixture
def stored_song(db: None, tmp_path: Path) -> Song:
    """A song whose file is really there: "Tide" by Ann."""
    path = make_audio(tmp_path / "stored.mp3", tags={"title": "Tide", "artist": "Ann"})
    with path.open("rb") as stream:
        song = upload_create(owner=None, file=stream, file_name="stored.mp3").song
    assert song is not None
    return song


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a real file system of 256 KiB."""
    root = tmp_path / "tiny"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(root)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("Mounting a tiny file system needs root and the right to mount.")
    yield root
    subprocess.run(["umount", str(root)], check=True)
