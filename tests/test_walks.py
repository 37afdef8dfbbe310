"""The three walks of docs/concepts.md, followed with a profiler: the page names every file that they enter."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
import tomli_w
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver
from pytest_django import DjangoCaptureOnCommitCallbacks

from catalog.files import isolation
from catalog.models import Song
from emotion.services.analysis import songs_analyse
from emotion.zoo.registry import list_models
from recommender.models import FeltRating, Playlist
from recommender.services.indexing import index_refresh
from tests.audio_fixtures import make_audio
from tests.conftest import ROOT
from tests.factories import ArtistFactory, EstimateFactory, SongFactory
from tests.training.made_qaed import SMALL_RUN, made_qaed
from tools.structure import APPS, walks

# What every request passes, and modules that only hold names: a reader need not open them to follow a walk.
_NOT_ON_THE_WAY = {
    "mer_site",
    "templatetags",
    "apps.py",
    "urls.py",
    "exceptions.py",
    "wording.py",
    "permissions.py",
    "htmx.py",
}


@pytest.fixture(autouse=True)
def _addresses() -> None:
    """The first request loads the modules of all pages, which is no step of a walk."""
    assert get_resolver().url_patterns


@contextmanager
def files_entered() -> Iterator[set[str]]:
    """Collect the files of the five apps in which a function is called, in any thread."""
    places = tuple(f"{ROOT}/{app}/" for app in APPS)
    seen: set[str] = set()
    entered: set[str] = set()

    def profile(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        # Modules and bodies of classes run once, at their import, and are no step of a walk.
        if event != "call" or code.co_filename in seen or not code.co_flags & inspect.CO_OPTIMIZED:
            return
        seen.add(code.co_filename)
        if code.co_filename.startswith(places):
            path = Path(code.co_filename).relative_to(ROOT)
            if not _NOT_ON_THE_WAY.intersection(path.parts):
                entered.add(str(path))

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield entered
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def documented(walk: str, most: int) -> set[str]:
    """Return the files that the page names on a walk, which are few."""
    files = walks()[walk]
    assert len(files) <= most
    return set(files)


@pytest.mark.django_db
def test_a_song_from_upload_to_playlist(
    client_cleo: Client,
    client: Client,
    tmp_path: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The profiler follows one process.
    monkeypatch.setattr(isolation, "_isolated", lambda _limit, _path, read, *args, **kwargs: read(*args, **kwargs))
    client.get("/")  # Loads what every page needs.
    list_models()  # Imports every architecture; the walk goes through one of them.
    path = make_audio(tmp_path / "song.ogg", 30, seed=1)
    with files_entered() as entered:
        with django_capture_on_commit_callbacks(execute=True):
            client_cleo.post("/uploads/", {"file": SimpleUploadedFile("song.ogg", path.read_bytes())})
        songs_analyse()
        index_refresh()
        estimate = Song.objects.get().estimates.get(is_current=True)
        client.post("/playlists/", {"quadrant": estimate.quadrant})
    assert Playlist.objects.get().items.count() == 1
    assert entered == documented("A song, from upload to playlist", 48)


@pytest.mark.django_db
def test_a_rating_from_click_to_reordered_list(client_alice: Client) -> None:
    for n in range(12):
        song = SongFactory(artist=ArtistFactory())
        EstimateFactory(song=song, valence=0.3 + n / 24, arousal=0.9 - n / 24, seed=n)
    client_alice.post("/playlists/", {"quadrant": 1})
    playlist = Playlist.objects.get()
    song_id = playlist.items.get(position=1).song_id
    answer = {"playlist": playlist.pk, "felt_valence": "-0.8", "felt_arousal": "0.4", "liked": "no"}
    with files_entered() as entered:
        client_alice.post(f"/songs/{song_id}/felt/", answer)
        client_alice.get(f"/playlists/{playlist.pk}/items/")
    assert FeltRating.objects.count() == 1
    assert entered == documented("A rating, from click to re-ordered list", 30)


def test_one_training_run(tmp_path: Path) -> None:
    made_qaed(tmp_path / "data")
    (tmp_path / "small.toml").write_text(tomli_w.dumps({**SMALL_RUN, "protocols": ["paper"]}))
    places = ("--data", str(tmp_path / "data"), "--work", str(tmp_path / "work"), "--run", str(tmp_path / "run"))
    with files_entered() as entered:
        call_command("train", "--config", str(tmp_path / "small.toml"), *places, "--device", "cpu")
        call_command("evaluate", str(tmp_path / "run"), "--html", str(tmp_path / "report.html"))
    assert entered == documented("One training run", 32)
