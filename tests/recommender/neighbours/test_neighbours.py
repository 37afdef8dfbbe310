"""A real server of another maker keeps its songs and playlists, and gets lists of moods."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from recommender.models import Neighbour, NeighbourListener, NeighbourSong
from recommender.neighbours import services
from recommender.neighbours.client import Client
from recommender.services import indexing
from tests.audio_fixtures import make_audio
from tests.factories import EstimateFactory

pytestmark = [pytest.mark.django_db, pytest.mark.integration]
PASSWORDS = {"keeper": "kept well", "ann": "ann s own"}
_SCAN = ["folder", "scan", "--foreground", "Attic"]
_COMMANDS = """
import json, sys
from supysonic.cli import cli
from supysonic.config import IniConfig
from supysonic.db import init_database
config = IniConfig.from_common_locations()
init_database(config.BASE["database_uri"])
for command in json.loads(sys.argv[1]):
    cli.main(command, obj=config, standalone_mode=False)
"""


class Attic:
    """supysonic with five songs and two accounts, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.music = root, root / "music"
        for n in range(5):
            tags = {"title": f"Song {n}", "artist": f"Artist {n}", "album": "Shore"}
            make_audio(self.music / f"Artist {n}" / "Shore" / f"{n}.flac", 6.0, seed=n + 1, tags=tags)
        (root / "supysonic.conf").write_text(
            f"[base]\ndatabase_uri = sqlite:///{root / 'attic.db'}\n[webapp]\ncache_dir = {root / 'cache'}\n"
            f"[daemon]\nsocket = {root / 'attic.sock'}\nrun_watcher = no\n"
        )
        accounts = [["user", "add", name, "-p", password] for name, password in PASSWORDS.items()]
        self.run(*accounts, ["folder", "add", "Attic", str(self.music)], _SCAN)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        script = "from wsgiref.simple_server import make_server; from supysonic.web import create_application; "
        script += f"make_server('127.0.0.1', {port}, create_application()).serve_forever()"
        with (root / "attic.log").open("wb") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", script], cwd=root, env=self._environment, stderr=log
            )
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                return
            time.sleep(0.1)
        raise AssertionError("supysonic did not start")

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.root)}

    def run(self, *commands: list[str]) -> None:
        """Do what its command line does, several times in one process."""
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _COMMANDS, json.dumps(commands)],
            cwd=self.root,
            env=self._environment,
            check=True,
            capture_output=True,
        )

    def client(self, name: str) -> Client:
        return Client(self.url, name, PASSWORDS[name], sends_password=True)


@pytest.fixture(scope="module")
def attic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attic]:
    pytest.importorskip("supysonic")
    made = Attic(tmp_path_factory.mktemp("attic"))
    yield made
    made.server.terminate()
    made.server.wait(10)


def neighbour(*arguments: Any, password: str = "", **options: Any) -> str:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEIGHBOUR_PASSWORD", password)
        call_command("neighbour", *arguments, stdout=out, stderr=options.pop("stderr", io.StringIO()), **options)
    return out.getvalue().strip()


def test_songs_come_over_lists_go_back_and_nothing_else_changes(attic: Attic, alice: User) -> None:
    ann = attic.client("ann")
    songs = [each.id for each in sorted(ann.songs(), key=lambda each: each.title)][1:3]
    own = ann.playlist_create("My own", songs)

    said = neighbour("add", "attic", url=attic.url, user="keeper", password=PASSWORDS["keeper"])
    assert "knows no tokens" in said
    assert PASSWORDS["keeper"] not in Neighbour.objects.get().secrets
    with pytest.raises(CommandError):
        neighbour("add", "attic", url=attic.url, user="keeper", password="wrong")

    # Interrupted after two songs, it goes on where it was.
    assert neighbour("sync", "attic", at_most=2).startswith("5 songs there: 2 added")
    assert "3 added, 0 were here, 2 known" in neighbour("sync", "attic")
    assert "0 added, 0 were here, 5 known" in neighbour("sync", "attic")
    assert sorted(Song.objects.values_list("title", flat=True)) == [f"Song {n}" for n in range(5)]

    for n, song in enumerate(Song.objects.order_by("title")):
        Song.objects.filter(pk=song.pk).update(state=Song.State.ANALYSED)
        EstimateFactory(song=song, quadrant=Quadrant.Q4 if n < 3 else Quadrant.Q1, seed=n)
    indexing.index_rebuild()
    neighbour("listener", "attic", user="ann", here=alice.username, password=PASSWORDS["ann"])
    first = neighbour("lists", "attic")
    assert "Calm" in first
    lists = {name: pk for pk, (name, _owner) in ann.playlists().items()}
    titles = {each.id: each.title for each in ann.songs()}
    calm = {titles[pk] for pk in ann.playlist_songs(lists["Moodplane: Calm"])}
    assert {"Song 0", "Song 1", "Song 2"} <= calm
    neighbour("lists", "attic")
    again = {name: pk for pk, (name, _owner) in ann.playlists().items()}
    assert again == lists
    assert ann.playlist_songs(own) == songs
    assert {name for name, _owner in attic.client("keeper").playlists().values()} <= set(again)

    # One song changes there, and one goes.
    make_audio(attic.music / "Artist 0" / "Shore" / "0.flac", 7.0, seed=9, tags={"title": "Other", "artist": "X"})
    (attic.music / "Artist 4" / "Shore" / "4.flac").unlink()
    attic.run(_SCAN)
    assert "1 gone" in neighbour("sync", "attic")
    assert NeighbourSong.objects.filter(gone_at__isnull=False).count() == 1
    assert Song.objects.filter(title="Song 4").exists()
    # supysonic 0.7.9 fails to show a list with a song that is gone, until the list is filled anew.
    neighbour("lists", "attic")

    assert services.lists_delete(account=NeighbourListener.objects.get()) == len(lists) - 1
    assert list(ann.playlists()) == [own]


def test_files_that_are_on_this_machine_are_read_by_their_path(attic: Attic, monkeypatch: pytest.MonkeyPatch) -> None:
    added = services.neighbour_add(
        name="near", url=attic.url, user_name="keeper", password=PASSWORDS["keeper"], files=attic.music
    )

    def fetched(*_: object) -> bytes:
        raise AssertionError("It lies here.")

    monkeypatch.setattr(Client, "download", fetched)
    done = services.neighbour_sync(neighbour=added)
    assert (done.n_added, done.n_left) == (done.n_listed, 0)
    assert done.n_listed >= 4


def test_a_path_that_leads_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    from recommender.neighbours.client import RemoteSong

    (tmp_path / "secret.flac").write_bytes(b"x")
    (tmp_path / "music").mkdir()
    song = RemoteSong("1", "T", "A", "../secret.flac", "flac", 1, "")
    assert services._place(Neighbour(files=str(tmp_path / "music")), song) is None
