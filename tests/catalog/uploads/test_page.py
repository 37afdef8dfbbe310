"""What the upload page lists: groups, search, changes since the last visit, removed rows, and duplicates."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from mutagen.id3 import APIC, ID3
from pytest_django import Settings
from rest_framework.test import APIClient

from catalog.models import PossibleDuplicate, Song, Upload
from catalog.uploads.page import quality
from catalog.uploads.services import duplicate_remove, duplicates_heard, upload_create
from tests.audio_fixtures import make_audio
from tests.catalog.files.test_tags import png
from tests.factories import ArtistFactory, EstimateFactory, SongFactory, UploadFactory

URL, ROWS, CHANGES = "/uploads/", "/uploads/rows/", "/uploads/changes/"
HTMX = {"hx-request": "true"}
ACCEPTED, DUPLICATE, FAILED = Upload.Outcome


def shown(client: Client, address: str = ROWS, **query: str) -> list[str]:
    """File names in the order of the rows."""
    page = client.get(address, query).content.decode()
    return re.findall(r'upload-row__name">([^<]+)<', page)


def seen(client: Client, **query: str) -> str:
    found = re.search(r'name="seen" value="([^"]*)"', client.get(ROWS, query).content.decode())
    assert found is not None
    return found[1]


@pytest.fixture
def history(cleo: User) -> dict[str, Upload]:
    """One upload of each kind, by file name, the oldest first."""
    kinds: list[tuple[str, Song | None, Any]] = [
        ("tagged", EstimateFactory(quadrant=3, confidence=0.81).song, ACCEPTED),
        ("queued", SongFactory(state=Song.State.QUEUED), ACCEPTED),
        ("analysing", SongFactory(state=Song.State.ANALYSING), ACCEPTED),
        ("failed", SongFactory(state=Song.State.FAILED, failure_reason="Only silence."), ACCEPTED),
        ("deleted", None, ACCEPTED),
        ("refused", None, FAILED),
        ("duplicate", SongFactory(), DUPLICATE),
    ]
    return {
        name: UploadFactory(owner=cleo, file_name=name, song=song, outcome=outcome) for name, song, outcome in kinds
    }


def test_rows_by_group_and_by_name(client_cleo: Client, history: dict[str, Upload]) -> None:
    assert shown(client_cleo) == [*reversed(history)]
    assert shown(client_cleo, state="way") == ["analysing", "queued"]
    assert shown(client_cleo, state="failed") == ["refused", "deleted", "failed"]
    assert shown(client_cleo, state="duplicate") == ["duplicate"]
    assert shown(client_cleo, state="done") == ["tagged"]
    assert shown(client_cleo, state="nonsense") == [*reversed(history)]
    assert shown(client_cleo, q="UEUE\x00") == ["queued"]
    assert shown(client_cleo, URL, state="failed", q="ref") == ["refused"]

    page = client_cleo.get(ROWS).content.decode()
    assert "5 of 7 files done" in page
    assert re.search(r"Sad.*81", page, re.DOTALL), "the quadrant of a tagged song is shown"
    assert "Nothing left in this group." in client_cleo.get(ROWS, {"state": "question"}).content.decode()
    assert "No file with that name." in client_cleo.get(ROWS, {"q": "zzz"}).content.decode()


def test_hundreds_of_rows_are_paged_with_few_queries(
    client_cleo: Client, cleo: User, django_assert_max_num_queries: Any
) -> None:
    song = SongFactory()
    Upload.objects.bulk_create(
        Upload(owner=cleo, song=song, file_name=f"file {n}.ogg", outcome=ACCEPTED, size_bytes=1) for n in range(130)
    )
    with django_assert_max_num_queries(10):
        assert "Page 1 of 3" in client_cleo.get(URL).content.decode()
    assert shown(client_cleo, page="3") == [f"file {n}.ogg" for n in reversed(range(30))]
    assert shown(client_cleo, page="99") == shown(client_cleo, page="3")


def test_only_what_changed_is_sent_and_polling_ends(client_cleo: Client, history: dict[str, Upload]) -> None:
    before = seen(client_cleo)
    assert client_cleo.get(CHANGES, {"seen": before}).status_code == 204
    page = client_cleo.get(ROWS).content.decode()
    assert "every 2s" in page

    Song.objects.filter(uploads=history["queued"]).update(state=Song.State.ANALYSING)
    answer = client_cleo.get(CHANGES, {"seen": before}).content.decode()
    assert shown(client_cleo, CHANGES, seen=before) == ["queued"]
    assert 'data-state="analysing" hx-swap-oob="true"' in answer
    assert "every 2s" in answer

    Song.objects.filter(state=Song.State.ANALYSING).update(state=Song.State.ANALYSED)
    answer = client_cleo.get(CHANGES, {"seen": before}).content.decode()
    assert shown(client_cleo, CHANGES, seen=before) == ["analysing", "queued"]
    assert "every 2s" not in answer
    assert "All done: 3 analysed, already here: 1, failed: 3." in answer

    UploadFactory(owner=history["queued"].owner, file_name="new one")
    assert shown(client_cleo, CHANGES, seen=before) == ["new one", *reversed(history)], "other rows: the whole list"
    for nonsense in ("", "x", "1q2q3q.1", "9" * 30 + "q"):
        assert client_cleo.get(CHANGES, {"seen": nonsense}).status_code == 200


def test_how_long_it_still_takes(client_cleo: Client, cleo: User) -> None:
    for _ in range(4):
        UploadFactory(owner=cleo)
    assert "the first files are being analysed" in client_cleo.get(ROWS).content.decode()
    SongFactory(state_changed_at=timezone.now())
    Song.objects.filter(state=Song.State.ANALYSED).update(state_changed_at=timezone.now() - timedelta(minutes=1))
    cache.clear()
    assert "about 20 minutes left" in client_cleo.get(ROWS).content.decode()


def test_retry_all_reaches_only_ones_own_failed_songs(
    client_cleo: Client,
    client: Client,
    client_bob: Client,
    api_cleo: APIClient,
    api_bob: APIClient,
    history: dict[str, Upload],
    announced: list[int],
    django_capture_on_commit_callbacks: Any,
) -> None:
    strangers = SongFactory(state=Song.State.FAILED)
    UploadFactory(song=strangers)
    assert client.post("/uploads/retry/").status_code == 302
    assert client_bob.post("/uploads/retry/").status_code == 403
    assert api_bob.post("/api/v1/uploads/retry/").status_code == 403

    with django_capture_on_commit_callbacks(execute=True):
        answer = client_cleo.post("/uploads/retry/?state=failed", follow=True)
        again = api_cleo.post("/api/v1/uploads/retry/")
    assert answer.redirect_chain == [("/uploads/?state=failed", 302)]
    assert "1 song will be analysed again." in answer.content.decode()
    assert (again.status_code, again.json()) == (202, {"count": 0})
    assert announced == [history["failed"].song_id]
    strangers.refresh_from_db()
    assert strangers.state == Song.State.FAILED


def test_rows_are_taken_off_the_list_by_their_owner(
    client_cleo: Client, client: Client, client_bob: Client, client_staff: Client, history: dict[str, Upload]
) -> None:
    def hide(who: Client, name: str) -> int:
        return who.post(f"/uploads/{history[name].pk}/hide/", headers=HTMX).status_code

    assert [hide(each, "refused") for each in (client, client_bob, client_staff)] == [302, 403, 404]
    assert (
        "is still in progress"
        in client_cleo.post(f"/uploads/{history['queued'].pk}/hide/", follow=True).content.decode()
    )
    assert hide(client_cleo, "refused") == 200
    assert shown(client_cleo) == ["duplicate", "deleted", "failed", "analysing", "queued", "tagged"]

    assert [each.post("/uploads/hide/").status_code for each in (client, client_bob)] == [302, 403]
    assert "2 rows were removed from the list." in client_cleo.post("/uploads/hide/", headers=HTMX).content.decode()
    assert shown(client_cleo) == ["deleted", "failed", "analysing", "queued"]
    assert Upload.objects.count() == 7, "the record stays"


def test_a_listener_learns_how_to_become_a_curator(client_bob: Client) -> None:
    answer = client_bob.get(URL)
    assert answer.status_code == 403
    assert "You are signed in as bob, a listener." in answer.content.decode()
    assert "curator" in answer.content.decode()


# --- Duplicates -----------------------------------------------------------------------------------------------------


def offer(owner: User, path: Path) -> Upload:
    with path.open("rb") as stream:
        return upload_create(owner=owner, file=stream, file_name=path.name)


@pytest.fixture
def twins(cleo: User, alice: User, tmp_path: Path) -> tuple[Upload, Upload]:
    """The same song in two encodings: Alice's first, and then Cleo's."""
    tags = {"title": "Tide", "artist": "Ann"}
    first = offer(alice, make_audio(tmp_path / "first.mp3", 8.0, tags=tags))
    second = offer(cleo, make_audio(tmp_path / "second.flac", 9.0, tags={"title": "TIDE ", "artist": "ann"}))
    return first, second


def test_what_may_be_the_same_recording_is_noted_once(cleo: User, tmp_path: Path, twins: Any) -> None:
    first, second = twins
    assert list(PossibleDuplicate.objects.values_list("song", "other")) == [(second.song_id, first.song_id)]
    others: dict[str, dict[str, Any]] = {
        "longer": {"seconds": 12.0, "tags": {"title": "Tide", "artist": "Ann"}},
        "other title": {"seconds": 8.0, "tags": {"title": "Tides", "artist": "Ann"}},
        "other artist": {"seconds": 8.0, "tags": {"title": "Tide", "artist": "Ann B"}},
    }
    for name, options in others.items():
        offer(cleo, make_audio(tmp_path / f"{name}.mp3", **options))
    assert PossibleDuplicate.objects.count() == 1


def test_two_possible_duplicates_are_compared_and_both_stay(client_cleo: Client, twins: Any) -> None:
    _first, second = twins
    assert shown(client_cleo, state="question") == ["second.flac"]
    page = client_cleo.get(f"/uploads/{second.pk}/compare/").content.decode()
    for word in ("first.mp3", "second.flac", "0:08", "0:09", "audio/mpeg", "audio/flac", "alice", "cleo", "Keep both"):
        assert word in page, word
    fragment = client_cleo.get(f"/uploads/{second.pk}/compare/", headers=HTMX).content.decode()
    assert "<html" not in fragment
    assert "Delete the new one" in fragment

    answer = client_cleo.post(f"/uploads/{second.pk}/keep/", headers=HTMX).content.decode()
    assert "Both stay: you will not be asked about “TIDE” again." in answer
    assert shown(client_cleo, state="question") == []
    assert client_cleo.get(f"/uploads/{second.pk}/compare/").status_code == 404
    assert Song.objects.count() == 2
    assert not duplicate_remove(song=second.song), "what was decided is not undone by a click that came late"


def test_what_sounds_the_same_is_a_question_whatever_its_name(client_cleo: Client, cleo: User, alice: User) -> None:
    old = SongFactory(title="Tide", mime_type="audio/flac", bit_rate=800_400, duration_s=50.0)
    new = SongFactory(title="Track 01", channels=1)
    upload = UploadFactory(owner=cleo, file_name="track01.mp3", song=new)
    UploadFactory(owner=alice, file_name="tide.flac", song=old)
    before = seen(client_cleo)
    duplicates_heard(song_id=old.pk, same_as=[new.pk])
    assert shown(client_cleo, state="question") == ["track01.mp3"]
    assert shown(client_cleo, CHANGES, seen=before) == ["track01.mp3"]
    assert "a song that sounds the same" in client_cleo.get(ROWS).content.decode()
    page = client_cleo.get(f"/uploads/{upload.pk}/compare/").content.decode()
    qualities = ("lossless, 800 kbit/s, 44.1 kHz, stereo", "<td>44.1 kHz, mono")
    for words in ("Sounds the same", *qualities, "0:50", "tide.flac", "Delete…"):
        assert words in page, words
    assert "Same artist, title and length" not in page
    assert f"/songs/delete/?song={old.pk}" in page, "the better one may be the newer"


@pytest.mark.django_db
def test_a_large_cover_is_no_quality(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "tide.mp3", 8.0)
    tags = ID3()
    tags.add(APIC(encoding=0, mime="image/png", type=3, desc="", data=png() + bytes(1_000_000)))
    tags.save(path)
    with path.open("rb") as stream:
        song = upload_create(owner=None, file=stream, file_name=path.name).song
    assert song is not None
    assert song.size_bytes > 1_000_000
    assert quality(song) == "64 kbit/s, 22.1 kHz, stereo"
    song.bit_rate = None
    assert quality(song) == "22.1 kHz, stereo", "better none than a wrong one"
    with translation.override("de"):
        assert quality(SongFactory.build(mime_type="audio/flac")).startswith("verlustfrei, 44,1 kHz, ")


def test_the_questions_of_the_whole_catalog(
    client: Client, client_alice: Client, client_bob: Client, bob: User, cleo: User
) -> None:
    bob.groups.add(*cleo.groups.all())
    old, new, newest = SongFactory(title="Tide"), SongFactory(title="Ebb"), SongFactory(title="Flood")
    PossibleDuplicate.objects.create(song=new, other=old, by_name=True)
    duplicates_heard(song_id=newest.pk, same_as=[old.pk, new.pk])
    keep = f"/duplicates/{newest.pk}/keep/"
    assert [each.get("/duplicates/").status_code for each in (client, client_alice)] == [302, 403]
    assert [each.post(keep).status_code for each in (client, client_alice)] == [302, 403]

    page = client_bob.get("/duplicates/").content.decode()
    for words in ("Flood", "Ebb", "Tide", "Sounds the same", "Same artist, title and length", f"?song={old.pk}"):
        assert words in page, words
    assert "2 possible duplicates" in client_bob.get(reverse("emotion:library")).content.decode()
    answer = client_bob.post(keep, follow=True).content.decode()
    assert "Both stay: you will not be asked about “Flood” again." in answer
    assert client_bob.post(keep).status_code == 404
    client_bob.post(f"/songs/delete/?song={old.pk}", {"count": "1"})
    assert "Nothing to decide." in client_bob.get("/duplicates/").content.decode()


def test_the_new_one_of_two_is_deleted(client_cleo: Client, twins: Any) -> None:
    first, second = twins
    answer = client_cleo.post(f"/uploads/{second.pk}/remove/", follow=True).content.decode()

    assert "The new “TIDE” was deleted; the existing one stays." in answer
    assert list(Song.objects.values_list("pk", flat=True)) == [first.song_id]
    assert shown(client_cleo) == ["second.flac"]
    assert client_cleo.post(f"/uploads/{second.pk}/remove/").status_code == 404


def test_whose_decision_it_is(
    client: Client, client_alice: Client, client_bob: Client, client_staff: Client, bob: User, cleo: User, twins: Any
) -> None:
    second = twins[1]
    bob.groups.add(*cleo.groups.all())
    for verb in ("keep", "remove"):
        address = f"/uploads/{second.pk}/{verb}/"
        assert [each.post(address).status_code for each in (client, client_alice, client_bob)] == [302, 403, 404]
    compare = f"/uploads/{second.pk}/compare/"
    assert [each.get(compare).status_code for each in (client, client_alice, client_bob)] == [302, 403, 404]
    assert client_staff.get(compare).status_code == 200
    assert client_staff.post(f"/uploads/{second.pk}/keep/").status_code == 302


def test_the_same_bytes_are_shown_beside_the_song(
    client_cleo: Client, cleo: User, tmp_path: Path, settings: Settings
) -> None:
    path = make_audio(tmp_path / "tide.mp3", tags={"title": "Tide", "artist": "Ann", "album": "Sea"})
    offer(cleo, path)
    again = offer(cleo, path.rename(tmp_path / "tide copy.mp3"))
    UploadFactory(owner=cleo, file_name="gone.mp3", song=None, outcome=DUPLICATE)

    page = client_cleo.get(f"/uploads/{again.pk}/compare/").content.decode()
    for word in ("Byte for byte the same recording", "tide copy.mp3", "tide.mp3", "Sea", "not added"):
        assert word in page, word
    assert "Keep both" not in page
    assert f'data-href="{reverse("recommender:song_detail", args=[again.song_id])}"' in page, "it can be played"
    assert client_cleo.post(f"/uploads/{again.pk}/remove/").status_code == 404, "nothing was added by it"


@pytest.mark.django_db
def test_an_artist_with_many_songs_of_a_name(cleo: User, tmp_path: Path) -> None:
    artist = ArtistFactory(name="Ann", name_key="ann")
    for n in range(3):
        SongFactory(artist=artist, title="Tide", duration_s=8.0 + n)
    upload = offer(cleo, make_audio(tmp_path / "tide.mp3", 8.0, tags={"title": "Tide", "artist": "Ann"}))
    # Encoders pad the end, so eight seconds may be a little more.
    assert PossibleDuplicate.objects.filter(song=upload.song).count() == 3
