"""What a page costs: how often it asks the database, and what a first visit has to load.

Addresses come from the URL configuration, so a new page is measured without being named here; one whose address has an
argument of a new kind fails until `places` says what to put there.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django import Settings

from catalog.files.views import song_audio_signature
from catalog.models import FolderFile, PartialUpload, PossibleDuplicate, Song, Upload, WatchedFolder
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionCurve, EmotionEstimate, ModelVersion, SaliencyMap
from mer_site.installation import joining
from recommender.models import Playlist, ScrobbleAccount, SmartList
from recommender.requests import Listener, Target
from recommender.services import feedback, indexing, sharing
from recommender.services import playlists as playlist_services
from recommender.subsonic import credentials
from tests.factories import (
    MODEL_VERSION,
    AlbumFactory,
    EstimateFactory,
    ListenFactory,
    RatingFactory,
    UploadFactory,
    WorkerFactory,
)
from tests.training.made_models import made_run_folder
from training.registry import services

MOST_QUERIES = 10
FIRST_LOAD_BYTES = 200_000
N_SONGS, N_RATINGS, N_PLAYLISTS = 40, 34, 12
# Django's admin, the API and OpenSubsonic, whose requests have tests of their own.
NOT_OURS = ("admin/", "api/", "rest/")
# The bytes of a song, the pictures made from them, and the service worker, which names the collected files: no visitor
# of this test has a file.
OF_FILES = {
    "songs/<int:pk>/audio",
    "songs/<int:pk>/audio/<str:signature>/",
    "songs/<int:pk>/spectrogram.png",
    "songs/<int:pk>/saliency.png",
    "sw.js",
}
# Paths of an older version, which lead to the new ones.
MOVED = {f"songs/<int:pk>/{path}" for path in ("attention/", "attention.png", "hearing/")}
FRAGMENT = {"HX-Request": "true"}
# Who asks, and whether for the page or for its fragment; the staff may see everything, and come last.
VISITORS: tuple[tuple[str, dict[str, str]], ...] = (
    ("nobody", {}),
    ("alice", {}),
    ("alice", FRAGMENT),
    ("cleo", {}),
    ("cleo", FRAGMENT),
    ("staff", {}),
)


# --- Queries --------------------------------------------------------------------------------------------------------
FILE_FACTS = {"size_bytes": 1, "mtime_ns": 1, "ctime_ns": 1, "device": 1, "content_hash": "0" * 64}


@pytest.fixture
def places(alice: User, cleo: User, tmp_path: Path) -> dict[str, object]:
    """A catalog in use: what stands at each place of an address, by what comes before it."""
    estimates = [EstimateFactory(quadrant=Quadrant(n % 4 + 1), song__year=1960 + n, seed=n) for n in range(N_SONGS)]
    songs = [estimate.song for estimate in estimates]
    album = AlbumFactory(artist=songs[0].artist)
    Song.objects.filter(pk__in=[song.pk for song in songs[:12]]).update(album=album, disc_number=2)
    _hearings(estimates)
    indexing.index_rebuild()
    WorkerFactory()
    for song in songs[:N_RATINGS]:
        rating = RatingFactory(listener=alice, song=song)
        ListenFactory(listener=alice, song=song)
        UploadFactory(owner=cleo, song=song)
    playlists = [_playlist(alice, n) for n in range(N_PLAYLISTS)]
    mood = feedback.check_in_create(listener=Listener(alice), valence=0.2, arousal=0.1)
    duplicate = UploadFactory(owner=cleo, song=songs[0], outcome=Upload.Outcome.DUPLICATE)
    for older, newer in zip(songs[:12], songs[12:24], strict=True):
        PossibleDuplicate.objects.create(song=newer, other=older, by_sound=True)
    folder = WatchedFolder.objects.create(path=b"/srv/music", report={"problem": "empty", "waiting": 1234})
    FolderFile.objects.create(folder=folder, path=b"a.mp3", song=songs[1], missing_since=timezone.now(), **FILE_FACTS)
    unfinished = PartialUpload.objects.create(owner=cleo, file_name="a.flac", size_bytes=9, expires_at=timezone.now())
    model = services.model_import_run(folder=made_run_folder(tmp_path, "mine-1")).model
    ModelVersion.objects.filter(pk=model.pk).update(state=ModelVersion.State.LIVE, live_since=timezone.now())
    return {
        "songs/": songs[0].pk,
        "home/songs/": songs[0].pk,
        "albums/": album.pk,
        "artists/": songs[0].artist_id,
        "smart/": SmartList.objects.create(owner=alice, title="Old ones", query="year_to=1979&liked=on").pk,
        "smart/ready/": "wind-down",
        "songs/edit/history/": 1,
        "playlists/": playlists[0].pk,
        "/export/": "m3u8",
        "/items/": songs[0].pk,
        "/songs/": songs[0].pk,
        "/audio/": song_audio_signature(songs[0].pk),
        "shared/": sharing.playlist_share(playlist=playlists[0]),
        "me/ratings/": rating.pk,
        "me/moods/": mood.pk,
        "me/players/keys/": credentials.key_make(user=alice)[0].pk,
        "me/export/": "json",
        "me/elsewhere/": ScrobbleAccount.objects.create(
            listener=alice, service="listenbrainz", url="https://api.listenbrainz.org"
        ).pk,
        "uploads/": duplicate.pk,
        "duplicates/": songs[12].pk,
        "uploads/folders/": folder.pk,
        "uploads/unfinished/": unfinished.public_id,
        "models/": model.pk,
        "settings/invitations/": joining.invitation_create(note="", n_most=1, days=1).pk,
        "settings/accounts/": alice.pk,
        "words/": "en",
        "/": "0" * 12,
    }


def _hearings(estimates: list[EmotionEstimate]) -> None:
    done = {"state": EmotionCurve.State.DONE, "model_version": MODEL_VERSION, "window_s": 24.0}
    points = bytes(6 * 4 * 30)
    EmotionCurve.objects.bulk_create(
        EmotionCurve(song=each.song, points_bytes=points, hop_s=4.0, **done) for each in estimates
    )
    SaliencyMap.objects.create(song=estimates[0].song, heat_bytes=bytes(4 * 8 * 11), n_rows=8, quadrant=1, **done)


def _playlist(owner: User, seed: int) -> Playlist:
    target = Target.of_point(0.8 - seed / 10, 0.5)
    return playlist_services.playlist_create(listener=Listener(owner), target=target, seed=seed)


def routes(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    """Yield all routes, such as `songs/<int:pk>/`."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def address(route: str, places: dict[str, object]) -> str:
    """Fill a route's arguments in."""
    parts = re.split(r"<[^>]*>", route)
    filled = [parts[0]]
    for before, after in pairwise(parts):
        assert before in places, f"Say in `places` what stands after {before!r} in {route!r}."
        filled += [str(places[before]), after]
    return "/" + "".join(filled)


def asked(client: Client, url: str, headers: dict[str, str]) -> tuple[int, list[str]]:
    """Return what a page answers, and its queries; the first time fills what a process keeps, so it does not count."""
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            status = client.get(url, headers=headers).status_code
        if len(captured) <= MOST_QUERIES:
            break
    # Which columns are read is most of a query, and of no interest here.
    return status, [" ".join(query["sql"].split()).partition(" FROM ")[2][:200] for query in captured.captured_queries]


def of_visitor(request: pytest.FixtureRequest, who: str) -> Client:
    client: Client = Client() if who == "nobody" else request.getfixturevalue(f"client_{who}")
    return client


def test_no_page_asks_the_database_more_than_ten_times(
    request: pytest.FixtureRequest, places: dict[str, object]
) -> None:
    clients = [(who, of_visitor(request, who), headers) for who, headers in VISITORS]
    too_many, unseen = [], []
    for route in sorted(each for each in set(routes(get_resolver().url_patterns)) if not each.startswith(NOT_OURS)):
        url, seen = address(route, places), set()
        for who, client, headers in clients:
            status, queries = asked(client, url, headers)
            seen.add(status)
            if status == 405:
                break
            # The mood map reads a listener's stars as well.
            if len(queries) > MOST_QUERIES + (route == "me/"):
                too_many.append("\n  ".join([f"{url} for {who} {headers or ''}: {len(queries)}", *queries]))
        # Only the staff, who come last, are never led to sign in.
        shown = {301} if route in MOVED else {200, 204, 405}
        if not seen & shown and status != 302 and route not in OF_FILES:
            unseen.append(f"{url}: {seen}")
    assert not too_many, "\n".join(too_many)
    assert not unseen, f"Nobody was shown anything at {unseen}"


# --- A first visit --------------------------------------------------------------------------------------------------


class Assets(HTMLParser):
    """Collects what a browser loads for a page by itself."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        loads = {"stylesheet", "icon", "modulepreload", "preload"} & set((values.get("rel") or "").split())
        url = values.get("href") if tag == "link" and loads else values.get("src") if tag in ("script", "img") else ""
        self.urls += [url] if url and not url.startswith("data:") else []


@pytest.fixture
def as_served(settings: Settings, tmp_path: Path) -> Client:
    """A browser in front of our collected, hashed and compressed static files."""
    settings.STATIC_ROOT = tmp_path / "static"
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = False
    others = [f"{app}/*" for app in ("admin", "rest_framework", "drf_spectacular_sidecar")]
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=others)
    return Client(headers={"Accept-Encoding": "gzip"})


def loaded(client: Client, url: str) -> dict[str, tuple[int, str]]:
    """Load a page as a browser does; return the bytes and the Cache-Control of each answer by its address."""
    answers: dict[str, tuple[int, str]] = {}
    waiting = [url]
    while waiting:
        each = waiting.pop()
        if each in answers:
            continue
        response = client.get(each)
        assert response.status_code == 200, each
        body = response.getvalue()
        answers[each] = len(body), response.get("Cache-Control", "")
        text = gzip.decompress(body) if response.get("Content-Encoding") == "gzip" else body
        waiting += [urljoin(each, found) for found in references(response["Content-Type"], text)]
    return answers


def references(content_type: str, body: bytes) -> list[str]:
    """Return what an answer makes a browser load."""
    if content_type.startswith("text/html"):
        return [url.partition("#")[0] for url in Assets(body.decode()).urls]
    if "javascript" in content_type:
        return re.findall(r"""(?:from|import)\s*\(?["'](\.[^"']+)["']""", body.decode())
    return re.findall(r"""url\(["']?((?!data:)[^"')]+)""", body.decode()) if "css" in content_type else []


@pytest.fixture
def songs(db: None) -> None:
    """As many songs as a page of the list shows."""
    for n in range(30):
        EstimateFactory(quadrant=Quadrant(n % 4 + 1))


@pytest.mark.usefixtures("songs")
def test_a_first_visit_is_light_and_a_second_loads_the_page_alone(as_served: Client) -> None:
    answers = loaded(as_served, "/")
    points = as_served.get("/home/points/")
    sizes = {url: size for url, (size, _) in answers.items()} | {"/home/points/": len(points.getvalue())}
    assert len([url for url in sizes if url.endswith(".js")]) >= 5, sizes
    assert sum(sizes.values()) < FIRST_LOAD_BYTES, sorted(sizes.items(), key=lambda item: -item[1])
    # A drawn cover has no version in its address: it is shown at once for a day, and asked for again meanwhile.
    cached = ("immutable", "stale-while-revalidate=86400", "max-age=86400")
    kept = {url for url, (_, control) in answers.items() if any(each in control for each in cached)}
    assert set(answers) - kept == {"/"}
    again = as_served.get("/home/points/", headers={"If-None-Match": points["ETag"]})
    assert again.status_code == 304


@pytest.mark.usefixtures("songs")
def test_a_compressed_page_is_the_same_page(client: Client) -> None:
    plain = client.get("/songs/").content
    packed = client.get("/songs/", headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed["Vary"]
    assert gzip.decompress(packed.content).count(b"data-track") == plain.count(b"data-track") > 20
    assert len(packed.content) < len(plain) / 4
