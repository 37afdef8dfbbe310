"""Large uploads in pieces: the tus protocol as its clients speak it, and what a bad day leaves behind."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from catalog.exceptions import ReadingInterruptedError, StorageFullError
from catalog.models import PartialUpload, Song, Upload
from catalog.tasks import partial_uploads_tick
from catalog.uploads import partial as sessions_module
from catalog.uploads import services as upload_services
from catalog.uploads.partial import partial_append, partial_discard, partial_finish, partial_open, partials_tick
from mer_site import settings as product_settings
from mer_site.celery import app as celery_app
from tests.audio_fixtures import make_audio
from tests.factories import UserFactory
from tests.together import together

URL = "/api/v1/uploads/resumable/"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = "application/offset+octet-stream"
OnCommit = Callable[..., Any]


@pytest.fixture
def audio(tmp_path: Path) -> bytes:
    """A song of some 500 kB."""
    return make_audio(tmp_path / "long.wav", 6.0).read_bytes()


def incoming() -> list[Path]:
    return sorted((Path(django_settings.MEDIA_ROOT) / "incoming").glob("*"))


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def begin(client: APIClient, size: int, name: str = "long.wav", **headers: str) -> Any:
    metadata = f"filename {coded(name)},fingerprint {coded('print')}"
    return client.post(URL, headers={**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata, **headers})


def add(client: APIClient, address: str, offset: int, data: bytes, **headers: str) -> Any:
    return client.patch(address, data, content_type=PIECE, headers={**TUS, "Upload-Offset": str(offset), **headers})


def offset_of(client: APIClient, address: str) -> int:
    return int(client.head(address, headers=TUS)["Upload-Offset"])


def test_the_server_lists_its_capabilities(api_cleo: APIClient) -> None:
    response = api_cleo.options(URL)
    assert response.status_code == 204
    assert response["Tus-Version"] == response["Tus-Resumable"] == "1.0.0"
    assert response["Tus-Extension"] == "creation,checksum,expiration,termination"
    assert response["Tus-Max-Size"] == str(django_settings.MOODPLANE_MAX_UPLOAD_BYTES)
    assert response["Tus-Checksum-Algorithm"] == "sha1,sha256"


def test_a_file_in_pieces_becomes_a_song(
    api_cleo: APIClient, cleo: User, audio: bytes, announced: list[int], django_capture_on_commit_callbacks: OnCommit
) -> None:
    begun = begin(api_cleo, len(audio), "Ann - Tide.wav")
    address = begun["Location"].removeprefix("http://testserver")
    assert (begun.status_code, begun["Upload-Offset"]) == (201, "0")
    assert begun["Upload-Expires"].endswith("GMT")

    asked = api_cleo.head(address, headers=TUS)
    assert (asked.status_code, asked["Upload-Offset"], asked["Upload-Length"]) == (200, "0", str(len(audio)))
    assert asked["Cache-Control"] == "no-store"
    assert asked["Upload-Metadata"].startswith(f"filename {coded('Ann - Tide.wav')}")

    first = add(api_cleo, address, 0, audio[:200_000])
    assert (first.status_code, first["Upload-Offset"]) == (204, "200000")
    assert "Upload-Status-Url" not in first
    unfinished = api_cleo.get(URL).json()
    assert [(row["url"], row["fingerprint"], row["offset_bytes"]) for row in unfinished] == [(address, "print", 200000)]

    with django_capture_on_commit_callbacks(execute=True):
        last = add(api_cleo, address, 200_000, audio[200_000:])
    song, upload = Song.objects.get(), Upload.objects.get()
    assert (last.status_code, last["Upload-Offset"]) == (204, str(len(audio)))
    assert api_cleo.get(last["Upload-Status-Url"]).json()["id"] == upload.pk
    assert (song.title, song.artist.name) == ("Tide", "Ann")
    assert Path(song.audio.path).read_bytes() == audio
    assert (upload.owner, upload.size_bytes, upload.outcome) == (cleo, len(audio), "accepted")
    assert announced == [song.pk]
    assert incoming() == []
    assert api_cleo.get(URL).json() == []


def test_the_last_piece_repeated_does_nothing_twice(
    api_cleo: APIClient, audio: bytes, announced: list[int], django_capture_on_commit_callbacks: OnCommit
) -> None:
    address = begin(api_cleo, len(audio))["Location"]
    with django_capture_on_commit_callbacks(execute=True):
        answers = [add(api_cleo, address, 0, audio) for _ in range(2)]
        # By the protocol the sender now asks, learns that all is there, and is done.
        asked = api_cleo.head(address, headers=TUS)
        empty = add(api_cleo, address, len(audio), b"")
        partial_finish(partial_upload=PartialUpload.objects.get())

    assert [answer.status_code for answer in answers] == [204, 409]
    assert asked["Upload-Offset"] == empty["Upload-Offset"] == str(len(audio))
    assert asked["Upload-Status-Url"] == empty["Upload-Status-Url"] == answers[0]["Upload-Status-Url"]
    assert (Upload.objects.count(), len(announced)) == (1, 1)


def test_same_bytes_in_pieces_are_a_duplicate_and_no_song_stays_refused(api_cleo: APIClient, audio: bytes) -> None:
    for data in (audio, audio, b"only words " * 400, b""):
        address = begin(api_cleo, len(data))["Location"]
        if data:
            add(api_cleo, address, 0, data)

    found = Upload.objects.order_by("pk").values_list("outcome", "failure_code")
    assert list(found) == [
        ("accepted", ""),
        ("duplicate", "duplicate"),
        ("failed", "not_audio"),
        ("failed", "empty_file"),
    ]


def test_requests_that_do_not_keep_to_the_protocol(api_cleo: APIClient, audio: bytes, settings: Settings) -> None:
    settings.MOODPLANE_MAX_UPLOAD_BYTES = 600_000
    address = begin(api_cleo, len(audio))["Location"]
    add(api_cleo, address, 0, audio[:1000])

    def patch(
        offset: str = "1000", data: bytes = b"x", kind: str = PIECE, headers: dict[str, str] | None = None
    ) -> Any:
        return api_cleo.patch(
            address, data, content_type=kind, headers={**TUS, "Upload-Offset": offset, **(headers or {})}
        )

    refusals = {
        "no version": (api_cleo.post(URL, headers={"Upload-Length": "5"}), 412, "tus_version_wrong"),
        "old version": (patch(headers={"Tus-Resumable": "0.2.2"}), 412, "tus_version_wrong"),
        "too large": (begin(api_cleo, 600_001), 413, "too_large"),
        "no length": (api_cleo.post(URL, headers=TUS), 400, "upload_request_invalid"),
        "metadata": (begin(api_cleo, 5, **{"Upload-Metadata": "filename ü%"}), 400, "upload_request_invalid"),
        "long metadata": (begin(api_cleo, 5, **{"Upload-Metadata": "a" * 5000}), 400, "upload_request_invalid"),
        "behind": (patch("0"), 409, "offset_wrong"),
        "ahead": (patch("1001"), 409, "offset_wrong"),
        "no number": (patch("-1"), 400, "upload_request_invalid"),
        "type": (patch(kind="application/json"), 415, "piece_type_wrong"),
        "unsized": (patch(headers={"Transfer-Encoding": "chunked"}), 411, "length_required"),
        "more than announced": (patch(data=audio), 413, "more_than_announced"),
        "unknown checksum": (patch(headers={"Upload-Checksum": "crc32 AAAA"}), 400, "upload_request_invalid"),
        "unknown upload": (add(api_cleo, f"{URL}{'0' * 32}/", 0, b"x"), 404, "upload_not_found"),
    }
    for what, (answer, status, code) in refusals.items():
        assert (answer.status_code, answer.json()["code"]) == (status, code), what
        assert answer["Tus-Resumable"] == "1.0.0", what
        assert answer.json()["detail"].endswith("."), what
    assert refusals["no version"][0]["Tus-Version"] == "1.0.0"
    assert offset_of(api_cleo, address) == 1000, "none of them left a byte"
    assert incoming()[0].read_bytes() == audio[:1000]


def test_checksums(api_cleo: APIClient, audio: bytes) -> None:
    address = begin(api_cleo, len(audio))["Location"]
    half = len(audio) // 2
    sha1 = base64.b64encode(hashlib.sha1(audio[:half], usedforsecurity=False).digest()).decode()
    damaged = add(api_cleo, address, 0, b"\x00" + audio[1:half], **{"Upload-Checksum": f"sha1 {sha1}"})
    assert (damaged.status_code, damaged.json()["code"]) == (460, "checksum_wrong")
    assert offset_of(api_cleo, address) == 0

    assert add(api_cleo, address, 0, audio[:half], **{"Upload-Checksum": f"sha1 {sha1}"}).status_code == 204
    sha256 = base64.b64encode(hashlib.sha256(audio[half:]).digest()).decode()
    assert add(api_cleo, address, half, audio[half:], **{"Upload-Checksum": f"sha256 {sha256}"}).status_code == 204
    assert Path(Song.objects.get().audio.path).read_bytes() == audio


def test_it_is_its_owners_alone(
    api_anonymous: APIClient,
    api_bob: APIClient,
    api_alice: APIClient,
    bob: User,
    api_cleo: APIClient,
    api_staff: APIClient,
    cleo: User,
    audio: bytes,
) -> None:
    bob.groups.add(*cleo.groups.all())
    address = begin(api_cleo, len(audio))["Location"]
    others = (api_anonymous, api_alice, api_bob, api_staff)

    assert [begin(each, 5).status_code for each in others] == [401, 403, 201, 201]
    assert [each.head(address, headers=TUS).status_code for each in others] == [401, 403, 404, 404]
    assert [add(each, address, 0, audio).status_code for each in others] == [401, 403, 404, 404]
    assert [each.delete(address, headers=TUS).status_code for each in others] == [401, 403, 404, 404]
    assert [row["size_bytes"] for row in api_bob.get(URL).json()] == [5]
    assert offset_of(api_cleo, address) == 0


def test_throwing_it_away(api_cleo: APIClient, audio: bytes, django_capture_on_commit_callbacks: OnCommit) -> None:
    address = begin(api_cleo, len(audio))["Location"]
    add(api_cleo, address, 0, audio[:1000])
    with django_capture_on_commit_callbacks(execute=True):
        assert api_cleo.post(address, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status_code == 204

    assert api_cleo.head(address, headers=TUS).status_code == 404
    assert incoming() == []
    assert api_cleo.post(URL + "x/", headers=TUS).status_code == 405


def test_a_browser_needs_the_csrf_token(cleo: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(cleo)
    assert begin(client, 5).status_code == 403
    client.cookies["csrftoken"] = "a" * 32
    address = begin(client, 5, **{"x-csrftoken": "a" * 32})["Location"]
    assert add(client, address, 0, b"ab").status_code == 403
    assert add(client, address, 0, b"ab", **{"x-csrftoken": "a" * 32}).status_code == 204


def test_one_person_leaves_only_so_many_open(api_cleo: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "OPEN_LIMIT", 2)
    assert [begin(api_cleo, 5).status_code for _ in range(3)] == [201, 201, 409]
    assert begin(api_cleo, 5).json()["detail"] == (
        "You have 2 unfinished uploads. Finish or discard some, then try again."
    )


# --- Bad days -------------------------------------------------------------------------------------------------------


def test_a_sender_that_is_lost_in_the_middle_keeps_what_arrived(cleo: User, audio: bytes) -> None:
    partial_upload = partial_open(owner=cleo, file_name="a.wav", size_bytes=len(audio))

    def pieces() -> Iterator[bytes]:
        yield audio[:100_000]
        yield audio[100_000:150_000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        partial_append(partial_upload=partial_upload, offset_bytes=0, pieces=pieces())
    partial_upload.refresh_from_db()
    assert partial_upload.offset_bytes == 150_000
    partial_append(partial_upload=partial_upload, offset_bytes=150_000, pieces=[audio[150_000:]])
    assert Path(Song.objects.get().audio.path).read_bytes() == audio


def test_a_crash_between_file_and_row_costs_only_that_piece(cleo: User, audio: bytes) -> None:
    partial_upload = partial_open(owner=cleo, file_name="a.wav", size_bytes=len(audio))
    partial_append(partial_upload=partial_upload, offset_bytes=0, pieces=[audio[:1000]])
    with incoming()[0].open("ab") as file:
        file.write(b"these bytes were never committed, as when the power goes")

    partial_append(partial_upload=partial_upload, offset_bytes=1000, pieces=[audio[1000:]])

    assert Path(Song.objects.get().audio.path).read_bytes() == audio


def test_a_media_folder_that_lost_bytes_is_asked_for_them_again(api_cleo: APIClient, audio: bytes) -> None:
    address = begin(api_cleo, len(audio))["Location"]
    add(api_cleo, address, 0, audio[:1000])
    os.truncate(incoming()[0], 400)
    assert offset_of(api_cleo, address) == 400
    incoming()[0].unlink()
    assert offset_of(api_cleo, address) == 0

    assert add(api_cleo, address, 1000, audio[1000:]).status_code == 409
    assert add(api_cleo, address, 0, audio).status_code == 204
    assert Path(Song.objects.get().audio.path).read_bytes() == audio


def test_a_crash_while_it_becomes_a_song_is_made_good(
    cleo: User,
    audio: bytes,
    announced: list[int],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    def power_cut(**_upload: Upload) -> None:
        raise SystemExit

    partial_upload = partial_open(owner=cleo, file_name="a.wav", size_bytes=len(audio))
    with monkeypatch.context() as patch:
        patch.setattr("catalog.uploads.services.upload_announce", power_cut)
        with pytest.raises(SystemExit):
            partial_append(partial_upload=partial_upload, offset_bytes=0, pieces=[audio])
    assert not Upload.objects.exists()
    assert [path.suffix for path in incoming()] == [".tus"]

    assert partials_tick() == (0, 0), "whoever sent the last piece may still be at it"
    PartialUpload.objects.update(expires_at=timezone.now() + dt.timedelta(days=2))
    with django_capture_on_commit_callbacks(execute=True):
        assert partials_tick() == (1, 0)
        partial_uploads_tick()
    assert Path(Song.objects.get().audio.path).read_bytes() == audio
    assert announced == [Song.objects.get().pk]
    assert incoming() == []


@pytest.mark.django_db
def test_a_file_whose_reading_was_interrupted_is_finished_later(
    api_cleo: APIClient, audio: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_path: Path) -> None:
        raise ReadingInterruptedError("Ended.")

    address = begin(api_cleo, len(audio))["Location"]
    with monkeypatch.context() as patch:
        patch.setattr(upload_services, "probe_isolated", interrupted)
        answer = add(api_cleo, address, 0, audio)
    assert (answer.status_code, answer.json()["code"]) == (503, "interrupted")
    assert not Upload.objects.exists()
    partial_finish(partial_upload=PartialUpload.objects.get())
    assert Path(Song.objects.get().audio.path).read_bytes() == audio


@pytest.mark.django_db
def test_left_alone_it_is_thrown_away(
    api_cleo: APIClient, audio: bytes, django_capture_on_commit_callbacks: OnCommit
) -> None:
    address = begin(api_cleo, len(audio))["Location"]
    add(api_cleo, address, 0, audio[:1000])
    old, fresh = incoming()[0].with_name("killed.part"), incoming()[0].with_name("busy.part")
    for path in (old, fresh, old.with_name("0123.tus")):
        path.write_bytes(b"x")
    days_ago = time.time() - 200_000
    for path in incoming():
        if path != fresh:
            os.utime(path, (days_ago, days_ago))
    assert partials_tick() == (0, 0)
    assert [path.name for path in incoming()] == [f"{PartialUpload.objects.get().public_id}.tus", "busy.part"] or [
        path.name for path in incoming()
    ] == ["busy.part", f"{PartialUpload.objects.get().public_id}.tus"]

    PartialUpload.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    gone = add(api_cleo, address, 1000, audio[1000:])
    assert (gone.status_code, gone.json()["code"]) == (410, "upload_expired")
    assert api_cleo.head(address, headers=TUS).status_code == 410
    assert api_cleo.get(URL).json() == []
    with django_capture_on_commit_callbacks(execute=True):
        assert partials_tick() == (0, 1)
    assert api_cleo.head(address, headers=TUS).status_code == 404
    assert incoming() == [fresh]


def test_a_full_disk_keeps_what_arrived(cleo: User, audio: bytes, tiny_disk: Path, settings: Settings) -> None:
    settings.MEDIA_ROOT = tiny_disk
    with pytest.raises(StorageFullError, match=r"256 KiB left, but this file needs 51\d"):
        partial_open(owner=cleo, file_name="a.wav", size_bytes=len(audio))
    partial_upload = partial_open(owner=cleo, file_name="a.wav", size_bytes=200_000)
    partial_append(partial_upload=partial_upload, offset_bytes=0, pieces=[audio[:50_000]])
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(150_000))

    with pytest.raises(StorageFullError, match="The part of this file that arrived is safe"):
        partial_append(partial_upload=partial_upload, offset_bytes=50_000, pieces=[audio[50_000:150_000]])
    partial_upload.refresh_from_db()
    assert partial_upload.offset_bytes == 50_000
    ballast.unlink()
    partial_append(partial_upload=partial_upload, offset_bytes=50_000, pieces=[audio[50_000:150_000]])
    assert incoming()[0].read_bytes() == audio[:150_000]


@pytest.mark.parametrize("task", ["partial_uploads_tick", "upload_sessions_tick"])
@pytest.mark.django_db
def test_the_tick_is_known_by_its_name_and_for_one_release_by_the_former_one(cleo: User, task: str) -> None:
    partial_open(owner=cleo, file_name="a.wav", size_bytes=10)
    PartialUpload.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    celery_app.loader.import_default_modules()
    celery_app.tasks[f"catalog.tasks.{task}"]()
    assert not PartialUpload.objects.exists()


def test_the_pieces_of_the_browser_end_where_the_server_stores_them() -> None:
    assert "catalog.tasks.partial_uploads_tick" in {
        entry["task"] for entry in product_settings.CELERY_BEAT_SCHEDULE.values()
    }
    script = (Path(django_settings.BASE_DIR) / "static/js/upload/send.js").read_text()
    assert f"PIECE_BYTES = {sessions_module.PIECE_BYTES // 1024**2} * 1024 * 1024" in script


@pytest.mark.django_db(transaction=True)
def test_two_tabs_cannot_interleave(audio: bytes) -> None:
    """Both send the whole file at the same time; each piece is taken from one of them, and one song comes of it."""
    owner = UserFactory()
    partial_upload = partial_open(owner=owner, file_name="a.wav", size_bytes=len(audio))
    pieces = [audio[at : at + 50_000] for at in range(0, len(audio), 50_000)]

    def send() -> None:
        partial_append(partial_upload=PartialUpload.objects.get(pk=partial_upload.pk), offset_bytes=0, pieces=pieces)

    outcomes = [getattr(error, "code", repr(error)) if error else "whole" for error in together(send, send)]
    assert "whole" in outcomes
    assert set(outcomes) <= {"whole", "offset_wrong"}
    assert Upload.objects.count() == 1
    assert Path(Song.objects.get().audio.path).read_bytes() == audio


@pytest.mark.django_db
def test_discarding_from_the_page(client_cleo: Client, client_bob: Client, client: Client, cleo: User) -> None:
    partial_upload = partial_open(owner=cleo, file_name="tide.flac", size_bytes=10_000_000)
    partial_append(partial_upload=partial_upload, offset_bytes=0, pieces=[bytes(6_000_000)])
    page = client_cleo.get("/uploads/").content.decode()
    assert "tide.flac" in page
    assert "60 % of 9.5 MiB has arrived" in page.replace("\xa0", " ")

    address = f"/uploads/unfinished/{partial_upload.public_id}/discard/"
    assert client.post(address).status_code == 302
    assert client_bob.post(address).status_code == 403
    bob_as_curator = client_bob
    User.objects.get(username="bob").groups.add(*cleo.groups.all())
    assert bob_as_curator.post(address).status_code == 404
    assert client_cleo.post(address, follow=True).status_code == 200
    assert not PartialUpload.objects.exists()
    with pytest.raises(Exception, match="This unfinished upload does not exist"):
        partial_discard(partial_upload=partial_upload)
