"""Keeps in step with another server: its songs are analysed here, and its listeners get lists of moods there.

Nothing there is changed but the playlists that were made from here, which are known by their ids.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from catalog.core.secrets import decrypt, encrypt
from catalog.exceptions import ServiceAwayError
from catalog.models import Upload
from catalog.uploads.services import upload_create
from catalog.web import address_check
from emotion.inference.quadrants import Quadrant
from recommender.exceptions import ServiceRefusedError
from recommender.generate import generate
from recommender.models import Neighbour, NeighbourListener, NeighbourPlaylist, NeighbourSong
from recommender.neighbours.client import Client, RemoteSong
from recommender.requests import Listener, PlaylistRequest, Target, new_seed

logger = logging.getLogger(__name__)

LIST_LENGTH = 30
# Of songs that are only here, some are asked for too.
_ASKED_LENGTH = 100
_TITLE = "Moodplane: {mood}"
_WORDS = {Quadrant.Q1: "Happy", Quadrant.Q2: "Tense", Quadrant.Q3: "Sad", Quadrant.Q4: "Calm"}
_PURPOSE = "neighbours"


@dataclass(slots=True)
class Sync:
    """What a run did."""

    n_listed: int = 0
    n_known: int = 0
    n_added: int = 0
    n_same: int = 0
    n_refused: int = 0
    n_gone: int = 0
    n_left: int = 0


def neighbour_add(*, name: str, url: str, user_name: str, password: str, files: Path | None = None) -> Neighbour:
    """Connect another server; one that is connected already gets the new address, account and folder.

    Raises:
        AddressRefusedError, ServiceAwayError, ServiceRefusedError: It cannot be asked with these.
    """
    client = _client_that_works(address_check(url), user_name, password)
    values = {
        "url": client.url,
        "user_name": user_name,
        "secrets": encrypt(json.dumps({"password": password}), _PURPOSE),
        "sends_password": client.sends_password,
        "files": str(files or ""),
    }
    neighbour, _is_new = Neighbour.objects.update_or_create(name=name, defaults=values)
    return neighbour


def listener_add(*, neighbour: Neighbour, user: User, user_name: str, password: str) -> NeighbourListener:
    """Let a listener have their lists there, in an account of theirs.

    Raises:
        As `neighbour_add`.
    """
    _client_that_works(neighbour.url, user_name, password)
    values = {"user_name": user_name, "secrets": encrypt(json.dumps({"password": password}), _PURPOSE)}
    listener, _is_new = NeighbourListener.objects.update_or_create(neighbour=neighbour, listener=user, defaults=values)
    return listener


def _client_that_works(url: str, user_name: str, password: str) -> Client:
    """Return a client that is let in: by a token, or by the password itself where the server knows only its hash."""
    try:
        client = Client(url, user_name, password)
        client.ping()
    except (ServiceRefusedError, ServiceAwayError):
        client = Client(url, user_name, password, sends_password=True)
        client.ping()
    return client


def client_of(account: Neighbour | NeighbourListener) -> Client:
    """Return the client of an account there."""
    neighbour = account if isinstance(account, Neighbour) else account.neighbour
    opened = decrypt(account.secrets, _PURPOSE)
    if not opened:
        raise ServiceRefusedError("The key of this server has changed: connect the account again.")
    password = json.loads(opened)["password"]
    return Client(neighbour.url, account.user_name, password, sends_password=neighbour.sends_password)


# --- Songs ------------------------------------------------------------------------------------------------------------


def neighbour_sync(
    *, neighbour: Neighbour, at_most: int | None = None, told: Callable[[str], object] = lambda _line: None
) -> Sync:
    """Take the songs of another server that are new there or have changed; each is settled by itself.

    A run that is interrupted is repeated from where it was: what is settled is only listed again.

    Args:
        neighbour: The server.
        at_most: Songs that are fetched; the rest is left for the next run.
        told: Is called with a line for each song that could not be taken.

    Raises:
        AddressRefusedError, ServiceAwayError, ServiceRefusedError: The list of songs cannot be read.
    """
    client, done = client_of(neighbour), Sync()
    known = {row.remote_id: row for row in NeighbourSong.objects.filter(neighbour=neighbour)}
    seen: set[str] = set()
    for song in client.songs():
        done.n_listed += 1
        seen.add(song.id)
        row = known.get(song.id)
        if row is not None and row.signature == _signature(song):
            # A song that was deleted here stays away until it changes there.
            done.n_known += 1
            if row.gone_at is not None:
                NeighbourSong.objects.filter(pk=row.pk).update(gone_at=None)
        elif at_most is not None and done.n_added + done.n_same + done.n_refused >= at_most:
            done.n_left += 1
        else:
            _take(neighbour, client, song, done, told)
    gone = NeighbourSong.objects.filter(neighbour=neighbour, gone_at=None).exclude(remote_id__in=seen)
    done.n_gone = gone.update(gone_at=timezone.now())
    Neighbour.objects.filter(pk=neighbour.pk).update(synced_at=timezone.now())
    return done


def _signature(song: RemoteSong) -> str:
    return f"{song.size_bytes} {song.created} {song.path}"[-500:]


def _take(neighbour: Neighbour, client: Client, song: RemoteSong, done: Sync, told: Callable[[str], object]) -> None:
    label = f"{song.artist} – {song.title}"
    try:
        upload = _upload(neighbour, client, song)
    except (ServiceAwayError, ServiceRefusedError, OSError) as error:
        # It is asked for again by the next run.
        done.n_left += 1
        told(f"{label}: {error}")
        return
    values = {"signature": _signature(song), "song": upload.song, "refusal": "", "gone_at": None}
    if upload.song is None:
        values["refusal"] = upload.failure_reason
        done.n_refused += 1
        told(f"{label}: {upload.failure_reason}")
    elif upload.outcome == Upload.Outcome.DUPLICATE:
        done.n_same += 1
    else:
        done.n_added += 1
    NeighbourSong.objects.update_or_create(neighbour=neighbour, remote_id=song.id, defaults=values)


def _upload(neighbour: Neighbour, client: Client, song: RemoteSong) -> Upload:
    name = PurePosixPath(song.path or f"{song.title}.{song.suffix}").name
    place = _place(neighbour, song)
    if place is not None:
        with place.open("rb") as file:
            return upload_create(owner=None, file=file, file_name=name)
    content = client.download(song.id, int(settings.MOODPLANE_MAX_UPLOAD_BYTES) + 1)
    return upload_create(owner=None, file=io.BytesIO(content), file_name=name)


def _place(neighbour: Neighbour, song: RemoteSong) -> Path | None:
    """Return the file of a song, where the folder of the other server is on this machine too."""
    if not neighbour.files or not song.path:
        return None
    root = Path(neighbour.files).resolve()
    place = (root / song.path.lstrip("/")).resolve()
    # What another server says must not lead out of its folder, and another file is not the song's.
    is_inside = place.is_relative_to(root) and place.is_file()
    return place if is_inside and (not song.size_bytes or place.stat().st_size == song.size_bytes) else None


# --- Lists ------------------------------------------------------------------------------------------------------------


def lists_write(*, account: NeighbourListener) -> dict[str, int]:
    """Give a listener a list for each mood on the other server; return how many songs each has.

    The lists that were made before are filled anew, whatever they are called by now; one that was deleted there is made
    again. Other playlists are not touched.

    Raises:
        AddressRefusedError, ServiceAwayError, ServiceRefusedError: The server cannot be asked.
    """
    client = client_of(account)
    songs = NeighbourSong.objects.filter(neighbour=account.neighbour, gone_at=None, song__isnull=False)
    remote = dict(songs.values_list("song_id", "remote_id"))
    counts = {}
    for quadrant, word in _WORDS.items():
        chosen = _chosen(account.listener, quadrant, remote)
        counts[word] = len(chosen)
        title = _TITLE.format(mood=word)
        row = NeighbourPlaylist.objects.filter(account=account, slug=quadrant.name).first()
        is_there = row is not None and client.playlist_fill(row.remote_id, chosen)
        if chosen and not is_there:
            remote_id = client.playlist_create(title, chosen)
            NeighbourPlaylist.objects.update_or_create(
                account=account, slug=quadrant.name, defaults={"remote_id": remote_id}
            )
            client.playlist_comment(remote_id, "Made by Moodplane, and filled anew each time.")
    return counts


def _chosen(user: User, quadrant: Quadrant, remote: dict[int, str]) -> Sequence[str]:
    wanted = PlaylistRequest(Target.of_quadrant(quadrant), length=_ASKED_LENGTH, seed=new_seed())
    made = generate(listener=Listener(user), request=wanted)
    return [remote[entry.song_id] for entry in made.entries if entry.song_id in remote][:LIST_LENGTH]


def lists_delete(*, account: NeighbourListener) -> int:
    """Delete the lists that were made for a listener on the other server, and only those; return how many."""
    client = client_of(account)
    rows = NeighbourPlaylist.objects.filter(account=account)
    n_deleted = sum(client.playlist_delete(row.remote_id) for row in rows)
    rows.delete()
    return n_deleted
