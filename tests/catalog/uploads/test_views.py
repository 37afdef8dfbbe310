"""The curator's upload page."""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from catalog.models import Song, Upload
from tests.audio_fixtures import make_audio
from tests.factories import SongFactory, UploadFactory

URL = "/uploads/"
ROWS = "/uploads/rows/"


def audio(tmp_path: Path) -> SimpleUploadedFile:
    return SimpleUploadedFile("song.ogg", make_audio(tmp_path / "song.ogg", 6.0).read_bytes())


def test_who_may_open_it(client: Client, client_bob: Client, client_cleo: Client, client_staff: Client) -> None:
    for address in (URL, ROWS):
        response = client.get(address)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("accounts:login"))
        assert [each.get(address).status_code for each in (client_bob, client_cleo, client_staff)] == [403, 200, 200]


def test_nobody_and_listeners_cannot_post(client: Client, client_bob: Client, tmp_path: Path) -> None:
    assert client.post(URL, {"file": audio(tmp_path)}).status_code == 302
    assert client_bob.post(URL, {"file": audio(tmp_path)}).status_code == 403
    assert not Upload.objects.exists()


def test_an_empty_page_says_so(client_cleo: Client) -> None:
    page = client_cleo.get(URL).content.decode()

    assert "No files yet." in page
    assert "<script>" not in page
    assert "style=" not in page


def test_without_javascript_the_form_takes_several_files(client_cleo: Client, tmp_path: Path) -> None:
    files = [audio(tmp_path), SimpleUploadedFile("words.mp3", b"only words " * 400)]
    page = client_cleo.post(URL, {"file": files}, follow=True).content.decode()

    assert Upload.objects.count() == 2
    assert "1 of 2 files will be analysed." in page
    assert "words.mp3: This is not an audio file: its content looks like text." in page


def test_no_file_chosen(client_cleo: Client) -> None:
    assert "Choose at least one audio file." in client_cleo.post(URL, {}).content.decode()


def test_the_form_is_protected_against_forgery(cleo: User, tmp_path: Path) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cleo)

    assert client.post(URL, {"file": audio(tmp_path)}).status_code == 403
    client.cookies["csrftoken"] = "a" * 32
    form = {"file": audio(tmp_path), "csrfmiddlewaretoken": "a" * 32}
    assert client.post(URL, form).status_code == 302


def test_rows_show_what_became_of_each_file(client_cleo: Client, cleo: User) -> None:
    song = SongFactory(title="Tide <b>")
    failed = SongFactory(state=Song.State.FAILED, failure_reason="There is only silence in it.")
    UploadFactory(owner=cleo, song=song, outcome=Upload.Outcome.DUPLICATE)
    retryable = UploadFactory(owner=cleo, song=failed)
    door = UploadFactory(owner=cleo, song=None, outcome=Upload.Outcome.FAILED, failure_reason="The file is empty.")

    page = client_cleo.get(ROWS).content.decode()

    assert "Tide &lt;b&gt;" in page
    assert reverse("recommender:song_detail", args=[song.pk]) in page
    assert "There is only silence in it." in page
    assert "The file is empty." in page
    assert reverse("catalog:upload_retry", args=[retryable.pk]) in page
    assert reverse("catalog:upload_retry", args=[door.pk]) not in page


def test_retry(client: Client, client_bob: Client, client_cleo: Client, client_staff: Client, cleo: User) -> None:
    song = SongFactory(state=Song.State.FAILED)
    upload = UploadFactory(owner=cleo, song=song)
    address = reverse("catalog:upload_retry", args=[upload.pk])

    assert client.post(address).status_code == 302
    assert client_bob.post(address).status_code == 403
    song.refresh_from_db()
    assert song.state == "failed"
    response = client_cleo.post(address, headers={"hx-request": "true"})
    assert b'id="upload-history"' in response.content
    assert f"{upload.file_name} will be analysed again." in response.content.decode()
    song.refresh_from_db()
    assert song.state == "uploaded"
    assert client_staff.post(address).status_code == 409


def test_another_curator_does_not_see_them(client_bob: Client, bob: User, cleo: User) -> None:
    bob.groups.add(*cleo.groups.all())
    upload = UploadFactory(owner=cleo, file_name="secret demo.ogg")

    assert "secret demo" not in client_bob.get(ROWS).content.decode()
    assert client_bob.post(reverse("catalog:upload_retry", args=[upload.pk])).status_code == 404
