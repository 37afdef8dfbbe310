"""Uploads over the API: 202 and a row for every file, seen by its owner and the staff alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from pytest_django import Settings
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from catalog.models import Song, Upload
from tests.audio_fixtures import make_audio
from tests.factories import SongFactory, UploadFactory

URL = "/api/v1/uploads/"


def audio(tmp_path: Path, name: str = "song.ogg", seed: int = 0) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, make_audio(tmp_path / f"{seed}.ogg", 6.0, seed=seed).read_bytes())


def test_a_file_is_answered_with_its_row(api_cleo: APIClient, cleo: User, tmp_path: Path) -> None:
    response = api_cleo.post(URL, {"file": audio(tmp_path, "Ann - Tide.ogg")}, format="multipart")

    upload = Upload.objects.get()
    song = Song.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{URL}{upload.pk}/"
    body = response.json()
    assert body.pop("created_at")
    assert body == {
        "id": upload.pk,
        "file_name": "Ann - Tide.ogg",
        "size_bytes": song.size_bytes,
        "state": "uploaded",
        "code": "",
        "reason": "",
        "song": song.pk,
        "song_url": reverse("recommender:song_detail", args=[song.pk]),
        "status_url": f"{URL}{upload.pk}/",
    }
    assert upload.owner == cleo
    assert api_cleo.get(response["Location"]).json()["state"] == "uploaded"


def test_several_files_in_one_request_do_not_share_a_fate(api_cleo: APIClient, tmp_path: Path) -> None:
    one = audio(tmp_path, "a.ogg")
    same = SimpleUploadedFile("again.ogg", one.read())
    one.seek(0)
    files = [
        one,
        SimpleUploadedFile("empty.mp3", b""),
        SimpleUploadedFile("text.mp3", b"only words " * 400),
        same,
        audio(tmp_path, "b.ogg", seed=5),
    ]
    response = api_cleo.post(URL, {"file": files}, format="multipart")

    assert response.status_code == 202
    assert response.json()["count"] == 5
    assert [(row["file_name"], row["state"], row["code"]) for row in response.json()["results"]] == [
        ("a.ogg", "uploaded", ""),
        ("empty.mp3", "failed", "empty_file"),
        ("text.mp3", "failed", "not_audio"),
        ("again.ogg", "duplicate", "duplicate"),
        ("b.ogg", "uploaded", ""),
    ]


def test_over_the_limit_only_that_file_fails(api_cleo: APIClient, tmp_path: Path, settings: Settings) -> None:
    settings.MOODPLANE_MAX_UPLOAD_BYTES = 100_000
    large = SimpleUploadedFile("large.wav", make_audio(tmp_path / "large.wav", 6.0).read_bytes())
    response = api_cleo.post(URL, {"file": [large, audio(tmp_path)]}, format="multipart")

    rows = response.json()["results"]
    assert [row["state"] for row in rows] == ["failed", "uploaded"]
    assert rows[0]["code"] == "too_large"
    assert rows[0]["size_bytes"] == large.size, "it says how large it was, although it was not kept"


def test_a_full_disk_while_files_arrive_loses_only_the_one_without_room(
    api_cleo: APIClient, tmp_path: Path, tiny_disk: Path, settings: Settings
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tiny_disk
    large = SimpleUploadedFile("large.wav", make_audio(tmp_path / "large.wav", 20.0).read_bytes())
    response = api_cleo.post(URL, {"file": [audio(tmp_path), large]}, format="multipart")

    assert response.status_code == 202
    assert [(row["state"], row["code"]) for row in response.json()["results"]] == [
        ("uploaded", ""),
        ("failed", "storage_full"),
    ]


def test_without_a_file(api_cleo: APIClient) -> None:
    response = api_cleo.post(URL, {"other": "x"}, format="multipart")

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "file_missing"
    assert response.json()["detail"] == (
        'The request has no file. Send audio as multipart/form-data in the part "file".'
    )


def test_who_may_upload(
    api_anonymous: APIClient, api_bob: APIClient, api_cleo: APIClient, api_staff: APIClient, tmp_path: Path
) -> None:
    def status(client: APIClient) -> int:
        return client.post(URL, {"file": audio(tmp_path)}, format="multipart").status_code

    assert [status(each) for each in (api_anonymous, api_bob, api_cleo, api_staff)] == [401, 403, 202, 202]
    assert api_bob.get(URL).status_code == 403
    assert api_anonymous.get(URL).status_code == 401


def test_an_upload_is_its_owners(
    api_anonymous: APIClient, api_bob: APIClient, bob: User, api_cleo: APIClient, api_staff: APIClient, cleo: User
) -> None:
    upload = UploadFactory(owner=cleo)
    bob.groups.add(*cleo.groups.all())
    address = f"{URL}{upload.pk}/"

    assert [client.get(address).status_code for client in (api_anonymous, api_bob, api_cleo, api_staff)] == [
        401,
        404,
        200,
        200,
    ]
    assert api_bob.get(URL).json()["count"] == 0
    assert api_cleo.get(URL).json()["count"] == 1
    assert api_bob.post(f"{address}retry/").status_code == 404
    assert api_anonymous.post(f"{address}retry/").status_code == 401


def test_retry(api_cleo: APIClient, cleo: User) -> None:
    song = SongFactory(state=Song.State.FAILED, failure_code="silent", failure_reason="Only silence.")
    upload = UploadFactory(owner=cleo, song=song)
    address = f"{URL}{upload.pk}/retry/"

    assert api_cleo.get(f"{URL}{upload.pk}/").json()["reason"] == "Only silence."
    response = api_cleo.post(address)
    assert (response.status_code, response.json()["state"], response.json()["reason"]) == (202, "uploaded", "")
    again = api_cleo.post(address)
    assert (again.status_code, again.json()["code"]) == (409, "not_retryable")
    assert again.json()["detail"] == "This song is uploaded; only failed songs can be retried."


def test_a_file_refused_at_the_door_cannot_be_retried(api_cleo: APIClient, cleo: User) -> None:
    upload = UploadFactory(owner=cleo, song=None, outcome=Upload.Outcome.FAILED, failure_reason="Empty.")
    response = api_cleo.post(f"{URL}{upload.pk}/retry/")

    assert response.status_code == 409
    assert response.json()["detail"] == "This file was not saved, so there is nothing to retry. Upload it again."


@pytest.mark.django_db
def test_with_a_token(cleo: User, tmp_path: Path) -> None:
    client = APIClient(headers={"authorization": f"Token {Token.objects.create(user=cleo).key}"})

    assert client.post(URL, {"file": audio(tmp_path)}, format="multipart").status_code == 202


def test_a_browser_needs_the_csrf_token(cleo: User, tmp_path: Path) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(cleo)
    refused = client.post(URL, {"file": audio(tmp_path)}, format="multipart")
    client.cookies["csrftoken"] = "a" * 32
    taken = client.post(URL, {"file": audio(tmp_path)}, format="multipart", headers={"x-csrftoken": "a" * 32})

    assert (refused.status_code, taken.status_code) == (403, 202)
