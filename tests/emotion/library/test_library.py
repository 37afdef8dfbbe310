"""The curators' library: finding, selecting, editing, undoing and deleting songs, for curators only."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from catalog.models import UNKNOWN_ARTIST, Song, SongChange
from emotion.inference.quadrants import Quadrant
from emotion.library import services as library_services
from emotion.library.forms import Selection, SongsForm
from emotion.library.services import Override, library_edit
from emotion.library.views import preview
from emotion.models import EmotionEstimate
from recommender.models import FeltRating, PlaylistItem
from tests.factories import EstimateFactory, PlaylistItemFactory, RatingFactory, SongFactory, probabilities_for

pytestmark = pytest.mark.django_db

LIBRARY = "/songs/edit/"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
FRAGMENT = {"HX-Request": "true"}


def hidden(page: str) -> dict[str, str]:
    """What the form would send back unchanged."""
    from html import unescape

    found = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', page))
    return {name: unescape(value) for name, value in found.items() if name != "csrfmiddlewaretoken"}


def filled(client: Client, address: str, **values: Any) -> dict[str, Any]:
    """The form of a page as a browser sends it, with some fields filled in."""
    response = client.get(address)
    form: SongsForm = response.context["form"]
    shown = {name: form[name].value() or "" for name in form.fields if name not in ("seen", "clear", "cover")}
    return hidden(response.content.decode()) | shown | values


def titles(client: Client, query: str) -> list[str]:
    return [song.title for song in client.get(f"{LIBRARY}?{query}").context["page"]]


# --- Who may --------------------------------------------------------------------------------------------------------


def test_curators_alone(client: Client, client_bob: Client, client_cleo: Client, client_staff: Client) -> None:
    song = EstimateFactory().song
    change = SongChange.objects.create(n_songs=0)
    gets = [
        LIBRARY,
        f"{LIBRARY}states/?song={song.pk}",
        f"{LIBRARY}change/?song={song.pk}",
        f"{LIBRARY}history/",
        f"/songs/{song.pk}/edit/",
        f"/songs/{song.pk}/reanalysis/",
        f"/songs/delete/?song={song.pk}",
    ]
    posts = [
        f"{LIBRARY}act/",
        f"{LIBRARY}change/?song={song.pk}",
        f"{LIBRARY}history/{change.pk}/undo/",
        f"/songs/{song.pk}/edit/",
        f"/songs/{song.pk}/quadrant/",
        f"/songs/{song.pk}/reanalyse/",
        f"/songs/delete/?song={song.pk}",
    ]
    data = {"title": "Stolen", "quadrant": "4", "song": song.pk, "action": "reanalyse", "count": "1"}
    for address in gets:
        assert reverse("accounts:login") in client.get(address)["Location"]
        assert client_bob.get(address).status_code == 403, address
        assert [each.get(address).status_code for each in (client_cleo, client_staff)] == [200, 200], address
    for address in posts:
        assert reverse("accounts:login") in client.post(address, data)["Location"]
        assert client_bob.post(address, data).status_code == 403, address
    song.refresh_from_db()
    assert (song.title, song.state) != ("Stolen", "uploaded")
    assert not SongChange.objects.exclude(pk=change.pk).exists()
    page = client_bob.get(f"/songs/{song.pk}/").content.decode()
    assert "For curators" not in page
    assert "For curators" in client_cleo.get(f"/songs/{song.pk}/").content.decode()


# --- Finding and choosing -------------------------------------------------------------------------------------------


def test_a_search_finds_its_songs(client_cleo: Client) -> None:
    sure = EstimateFactory(song__title="Sure", quadrant=Quadrant.Q1, confidence=0.9).song
    EstimateFactory(song__title="Unsure", quadrant=Quadrant.Q2, confidence=0.4)
    # An older answer of another model counts for nothing.
    EstimateFactory(song=sure, is_current=False, model_version="older", quadrant=Quadrant.Q2, confidence=0.3)
    SongFactory(title="Failed", state=Song.State.FAILED, failure_code="silent", artist__name=UNKNOWN_ARTIST)
    SongFactory(title="Waiting", state=Song.State.QUEUED, genre="", year=1999)

    assert titles(client_cleo, "") == ["Waiting", "Failed", "Unsure", "Sure"]
    assert titles(client_cleo, "sort=title") == ["Failed", "Sure", "Unsure", "Waiting"]
    assert titles(client_cleo, "sort=unsure") == ["Unsure", "Sure"]
    assert titles(client_cleo, "q=sur") == ["Sure"]
    assert titles(client_cleo, "state=failed") == titles(client_cleo, "code=silent") == ["Failed"]
    assert titles(client_cleo, "state=pending") == titles(client_cleo, "missing=genre") == ["Waiting"]
    assert titles(client_cleo, "missing=artist") == ["Failed"]
    assert titles(client_cleo, "missing=year&sort=title") == ["Failed", "Sure", "Unsure"]
    assert titles(client_cleo, "quadrant=2") == titles(client_cleo, "sure=unsure") == ["Unsure"]
    # What makes no sense limits nothing.
    assert len(titles(client_cleo, "state=lost&quadrant=9&page=99&genre=&song=x&q=%00")) == 4


def test_a_set_quadrant_is_found_as_set(client_cleo: Client, cleo: User) -> None:
    song = EstimateFactory(song__title="Mine", quadrant=Quadrant.Q1, confidence=0.4).song
    library_edit(song_ids=[song.pk], values={}, override=Override(Quadrant.Q4), editor=cleo)
    assert titles(client_cleo, "sure=set") == titles(client_cleo, "quadrant=4") == ["Mine"]
    assert titles(client_cleo, "sure=unsure") == titles(client_cleo, "quadrant=1") == []
    # How sure the model is stays the model's.
    EstimateFactory(song__title="Surer", quadrant=Quadrant.Q4, confidence=0.8)
    assert titles(client_cleo, "sort=unsure&quadrant=4") == ["Mine", "Surer"]


def test_a_page_of_the_library_takes_few_queries(client_cleo: Client) -> None:
    for _ in range(60):
        EstimateFactory()
    with CaptureQueriesContext(connection) as asked:
        page = client_cleo.get(LIBRARY).content.decode()
    assert len(asked) <= 10, [query["sql"][:90] for query in asked]
    assert "All 60 matching songs" in page
    assert page.count("data-library-row") == 50


def test_the_buttons_of_the_table(client_cleo: Client) -> None:
    one, two = SongFactory(genre="Jazz"), SongFactory(genre="Jazz")
    act = f"{LIBRARY}act/"
    picked = {"song": [one.pk, two.pk], "genre": "Jazz"}
    where = client_cleo.post(act, picked | {"action": "edit"})["Location"]
    assert where == f"{LIBRARY}change/?genre=Jazz&song={one.pk}&song={two.pk}"
    where = client_cleo.post(act, picked | {"action": "delete", "all": "1"})["Location"]
    assert where == "/songs/delete/?genre=Jazz&all=1"
    assert client_cleo.post(act, picked | {"action": "dance"}).status_code == 404
    page = client_cleo.post(act, {"action": "edit"}, follow=True).content.decode()
    assert "Choose some songs first." in page

    page = client_cleo.post(act, picked | {"action": "reanalyse"}, follow=True).content.decode()
    assert "2 songs will be analysed again." in page
    page = client_cleo.post(act, picked | {"action": "reanalyse"}, follow=True).content.decode()
    assert "These songs are already being analysed" in page
    assert 'hx-trigger="every 2s"' in page


def test_the_table_asks_until_nothing_is_on_its_way(client_cleo: Client) -> None:
    song = SongFactory(state=Song.State.QUEUED)
    states = f"{LIBRARY}states/?song={song.pk}"
    assert 'hx-trigger="every 2s"' in client_cleo.get(states).content.decode()
    EstimateFactory(song=song)
    Song.objects.update(state=Song.State.ANALYSED)
    content = client_cleo.get(states).content.decode()
    assert "every 2s" not in content
    assert f'id="song-mark-{song.pk}" hx-swap-oob="true"' in content
    assert "Happy" in content


# --- Changing -------------------------------------------------------------------------------------------------------


def test_one_song_is_edited_and_the_message_undoes_it(client_cleo: Client) -> None:
    song = EstimateFactory(song__title="Tide", song__artist__name="Ann", song__year=1990).song
    edit = f"/songs/{song.pk}/edit/"
    form = filled(client_cleo, edit, title="  Ebb ", album="Sea", year="", quadrant="4", note="Slow")
    picture = SimpleUploadedFile("c.png", PNG)

    page = client_cleo.post(edit, form | {"cover": picture}, follow=True).content.decode()

    song = Song.objects.select_related("album").get(pk=song.pk)
    assert (song.title, str(song.album), song.year, song.artist.name) == ("Ebb", "Sea", None, "Ann")
    assert (Path(settings.MEDIA_ROOT) / str(song.cover.name)).read_bytes() == PNG
    assert EmotionEstimate.objects.get().effective_quadrant == Quadrant.Q4
    assert "1 song was changed." in page
    assert "Calm, set by cleo; the model's estimate is Happy, 70 % sure." in page
    assert "“Slow”" in page
    change = SongChange.objects.get()
    undo = f"{LIBRARY}history/{change.pk}/undo/"
    assert undo in page

    page = client_cleo.post(undo, {"next": f"/songs/{song.pk}/"}, follow=True).content.decode()
    song.refresh_from_db()
    assert (song.title, song.album, song.year, song.cover.name) == ("Tide", None, 1990, "")
    assert "Undone: everything is as it was before." in page
    assert "set by cleo" not in page


def test_only_curators_see_who_set_it(client: Client, client_cleo: Client, cleo: User) -> None:
    song = EstimateFactory(quadrant=Quadrant.Q1).song
    library_edit(song_ids=[song.pk], values={}, override=Override(Quadrant.Q4, "Slow"), editor=cleo)
    page = client.get(f"/songs/{song.pk}/").content.decode()
    assert "Calm, set by a curator; the model's estimate is Happy, 70 % sure." in page
    assert "cleo" not in page
    assert "Slow" not in page


def test_an_error_stands_next_to_its_field(client_cleo: Client) -> None:
    song = SongFactory(title="Tide")
    edit = f"/songs/{song.pk}/edit/"
    form = filled(client_cleo, edit, title=" ", year="soon", note="Slow")
    page = client_cleo.post(edit, form | {"cover": SimpleUploadedFile("c.png", b"<svg>")}).content.decode()
    for sentence in ("A song needs a title.", "Enter a whole number.", "A note needs a quadrant"):
        assert sentence in page
    assert "This is not a JPEG, PNG, GIF or WebP image" in page
    song.refresh_from_db()
    assert song.title == "Tide"


def test_two_curators_do_not_overwrite_each_other(client_cleo: Client, client_staff: Client) -> None:
    song = SongFactory(title="Tide", genre="Rock")
    edit = f"/songs/{song.pk}/edit/"
    mine, theirs = filled(client_cleo, edit, title="Mine"), filled(client_staff, edit, title="Theirs", genre="Folk")
    client_staff.post(edit, theirs)

    response = client_cleo.post(edit, mine)

    page = response.content.decode()
    assert "Someone else has changed this in the meantime. It is now “Theirs”." in page
    assert 'value="Mine"' in page
    song.refresh_from_db()
    assert song.title == "Theirs"
    # Having seen it, Cleo saves again; what she never touched stays as the other left it.
    client_cleo.post(edit, mine | hidden(page))
    song.refresh_from_db()
    assert (song.title, song.genre) == ("Mine", "Folk")


def test_of_many_songs_only_filled_or_cleared_fields_change(client_cleo: Client) -> None:
    one = EstimateFactory(song__genre="Rock", song__year=1990, quadrant=Quadrant.Q1).song
    two = EstimateFactory(song__genre="Pop", song__year=1990, quadrant=Quadrant.Q4).song
    change = f"{LIBRARY}change/?song={one.pk}&song={two.pk}"
    page = client_cleo.get(change).content.decode()
    assert 'placeholder="Multiple values"' in page
    assert 'name="title"' not in page
    assert "Clear the 2 values of “Genre”" in page

    form = filled(client_cleo, change, album="Both", quadrant="4", clear=["genre"])
    content = client_cleo.post(change, form | {"preview": "1"}, headers=FRAGMENT).content.decode()
    assert "<html" not in content
    assert re.findall(r"(\d of 2 songs)", content) == ["2 of 2 songs"] * 3
    assert not SongChange.objects.exists()

    page = client_cleo.post(change, form, follow=True).content.decode()
    effective = EmotionEstimate.objects.with_effective()
    assert "2 songs were changed." in page
    assert set(Song.objects.values_list("genre", "year", "album__title")) == {("", 1990, "Both")}
    assert set(effective.values_list("effective_quadrant", flat=True)) == {4}
    both = form | {"genre": "Jazz"}
    assert "Fill it in or clear it, not both." in client_cleo.post(change, both).content.decode()
    page = client_cleo.get(f"{LIBRARY}history/").content.decode()
    assert page.count("Happy, the model&#x27;s estimate") == 1


def test_all_that_match_are_those_that_were_looked_at(client_cleo: Client) -> None:
    SongFactory(genre="Rock")
    change = f"{LIBRARY}change/?genre=Rock&all=1"
    form = filled(client_cleo, change, genre="Folk")
    SongFactory(genre="Rock")
    page = client_cleo.post(change, form).content.decode()
    assert "The matching songs have changed in the meantime: there are 2 now." in page
    assert not Song.objects.filter(genre="Folk").exists()
    client_cleo.post(change, form | hidden(page))
    assert Song.objects.filter(genre="Folk").count() == 2


def test_too_many_and_none(client_cleo: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    response = client_cleo.get(f"{LIBRARY}change/?song=99999999", follow=True)
    assert "These songs no longer exist." in response.content.decode()
    SongFactory(), SongFactory()
    monkeypatch.setattr(library_services, "MAX_SONGS", 1)
    response = client_cleo.get(f"{LIBRARY}change/?all=1")
    assert response.status_code == 422
    assert "At most 1 songs can be changed at once." in response.content.decode()


def test_a_thousand_songs_in_few_queries(client_cleo: Client, cleo: User) -> None:
    template = EstimateFactory()
    fields = {each.attname: getattr(template.song, each.attname) for each in Song._meta.concrete_fields}
    copies = [Song(**fields | {"id": None, "content_hash": f"{n:064}"}) for n in range(1000)]
    Song.objects.bulk_create(copies)
    odds = probabilities_for(Quadrant.Q1)
    kept = {each.attname: getattr(template, each.attname) for each in EmotionEstimate._meta.concrete_fields}
    EmotionEstimate.objects.bulk_create(EmotionEstimate(**kept | odds | {"id": None, "song_id": s.pk}) for s in copies)
    form = filled(client_cleo, f"{LIBRARY}change/?all=1", quadrant="3", genre="Folk")

    with CaptureQueriesContext(connection) as asked:
        response = client_cleo.post(f"{LIBRARY}change/?all=1", form)

    assert response.status_code == 302
    assert len(asked) <= 60, [query["sql"][:90] for query in asked]
    effective = EmotionEstimate.objects.with_effective()
    assert effective.filter(effective_quadrant=3).count() == 1001
    [change] = SongChange.objects.all()
    with CaptureQueriesContext(connection) as asked:
        client_cleo.post(f"{LIBRARY}history/{change.pk}/undo/")
    assert len(asked) <= 60, [query["sql"][:90] for query in asked]
    assert effective.filter(effective_quadrant=1, is_overridden=False).count() == 1001
    with CaptureQueriesContext(connection) as asked:
        page = client_cleo.get(f"{LIBRARY}history/").content.decode()
    assert len(asked) <= 10
    assert "And 998 more songs" in page


def test_undo_says_what_stays(client_cleo: Client, cleo: User, staff: User) -> None:
    song = SongFactory(title="Tide", genre="Rock")
    change = library_edit(song_ids=[song.pk], values={"genre": "Jazz"}, editor=cleo)
    library_edit(song_ids=[song.pk], values={"genre": "Soul"}, editor=staff)
    assert change is not None
    undo = f"{LIBRARY}history/{change.pk}/undo/"
    page = client_cleo.post(undo, {"next": "https://example.org/"}, follow=True).content.decode()
    assert "Undone, except what has been changed since: Tide (Genre)." in page
    assert "This change was already undone." in client_cleo.post(undo, follow=True).content.decode()
    assert "Undone by cleo" in page


def test_a_preview_counts_what_really_changes(cleo: User) -> None:
    songs = [SongFactory(artist__name="Ann", genre="Rock"), SongFactory(artist__name="Ben", genre="Rock")]
    lines = preview(songs, {"artist": "Ann", "genre": "", "cover": "new", "year": None}, Override(None))
    changes = [(line.name, line.before, line.after, line.n_songs) for line in lines]
    assert changes == [
        ("Artist", "Ben", "Ann", 1),
        ("Genre", "Rock", "–", 2),
        ("Cover", "–", "✓", 2),
        ("Year", "…", "–", 0),
        ("Quadrant", "…", "the model's estimate", 0),
    ]


# --- On the song's page ---------------------------------------------------------------------------------------------


def test_a_word_on_the_song_page(client_cleo: Client) -> None:
    estimate = EstimateFactory(quadrant=Quadrant.Q1)
    where = f"/songs/{estimate.song_id}/quadrant/"
    page = client_cleo.post(where, {"quadrant": "3", "note": "Listen to the end"}, follow=True).content.decode()
    assert "Sad, set by cleo" in page
    assert "“Listen to the end”" in page
    assert "Back to the model's estimate: Happy" in page
    page = client_cleo.post(where, {"quadrant": "own"}, follow=True).content.decode()
    assert "set by" not in page.split('id="curator"')[0].split("<article>")[1]
    assert page.count("Undone") == 0
    assert "Nothing was changed" in client_cleo.post(where, {"quadrant": "own"}, follow=True).content.decode()
    assert (
        "Choose one of the four quadrants" in client_cleo.post(where, {"quadrant": "9"}, follow=True).content.decode()
    )


def test_one_song_is_analysed_again_once(client_cleo: Client) -> None:
    song = EstimateFactory().song
    where = f"/songs/{song.pk}/reanalyse/"
    content = [client_cleo.post(where, headers=FRAGMENT).content.decode() for _ in range(3)]
    assert all('hx-trigger="every 2s"' in each for each in content)
    assert "On its way" not in content[0]
    assert client_cleo.post(where).status_code == 302
    Song.objects.update(state=Song.State.ANALYSED)
    told_last = client_cleo.get(f"/songs/{song.pk}/reanalysis/").content.decode()
    assert "Show the spectrogram" in told_last
    assert "every 2s" not in told_last


# --- Deleting -------------------------------------------------------------------------------------------------------


def test_deleting_says_what_goes_and_then_does_it(client_cleo: Client) -> None:
    item = PlaylistItemFactory(song__title="Tide")
    RatingFactory(song=item.song)
    RatingFactory(song=item.song)
    other = SongFactory()
    where = f"/songs/delete/?song={item.song_id}"
    page = client_cleo.get(where).content.decode()
    for words in ("Delete 1 song?", "cannot be undone", "Tide", "1 place in playlists", "2 ratings"):
        assert words in page
    assert Song.objects.count() == 2

    page = client_cleo.post(where, {"count": "1"}, follow=True).content.decode()
    assert "1 song was deleted." in page
    assert list(Song.objects.all()) == [other]
    assert not PlaylistItem.objects.exists()
    assert not FeltRating.objects.exists()
    assert "These songs no longer exist." in client_cleo.post(where, {"count": "1"}, follow=True).content.decode()


def test_only_as_many_as_were_shown_are_deleted(client_cleo: Client) -> None:
    for _ in range(2):
        SongFactory(genre="Rock")
    page = client_cleo.post("/songs/delete/?genre=Rock&all=1", {"count": "1"}).content.decode()
    assert "The matching songs have changed in the meantime." in page
    assert Song.objects.count() == 2


# --- API ------------------------------------------------------------------------------------------------------------


def patch(api: APIClient, song: Song, **values: Any) -> Any:
    return api.patch(f"/api/v1/songs/{song.pk}/", values, format="json")


def test_the_api_changes_a_song(api_cleo: APIClient) -> None:
    song = EstimateFactory(song__title="Tide", quadrant=Quadrant.Q1).song
    content = patch(api_cleo, song, title="Ebb", artist="Zoë", year=2001, quadrant="Q4", note="Slow").json()
    assert (content["title"], content["artist"]["name"], content["year"]) == ("Ebb", "Zoë", 2001)
    estimate = content["estimate"]
    assert (estimate["quadrant"], estimate["set_by_curator"], estimate["heard"]) == ("Q4", True, "Q1")
    models = song.estimates.get()
    assert estimate["valence"] == models.valence == estimate["model_valence"]
    assert -models.arousal < estimate["arousal"] < 0 < estimate["model_arousal"] == models.arousal
    assert estimate["model_quadrant"] == "Q1"
    assert (estimate["model_valence"], estimate["model_arousal"]) == song.estimates.values_list("valence", "arousal")[0]
    assert song.overrides.get().note == "Slow"
    content = patch(api_cleo, song, quadrant=None, album="", year=None).json()
    assert (content["estimate"]["quadrant"], content["estimate"]["set_by_curator"], content["year"]) == (
        "Q1",
        False,
        None,
    )
    assert SongChange.objects.count() == 2


def test_the_api_says_what_is_wrong(api_anonymous: APIClient, api_bob: APIClient, api_cleo: APIClient) -> None:
    song = SongFactory(title="Tide")
    assert patch(api_anonymous, song, title="Ebb").status_code == 401
    refused = patch(api_bob, song, title="Ebb")
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    assert refused.json()["detail"].startswith("Only curators can change songs.")
    wrong = patch(api_cleo, song, title="\x07", year=0, quadrant="Q9")
    assert wrong.status_code == 400
    assert set(json.loads(wrong.content)["errors"]) == {"title", "year", "quadrant"}
    assert set(patch(api_cleo, song, note="Slow").json()["errors"]) == {"note"}
    assert api_cleo.patch("/api/v1/songs/99999/", {"title": "Ebb"}, format="json").status_code == 404
    assert api_cleo.put(f"/api/v1/songs/{song.pk}/", {"title": "Ebb"}, format="json").status_code == 405
    song.refresh_from_db()
    assert song.title == "Tide"


def test_a_selection_is_read_from_an_address_and_written_again(db: None) -> None:
    from django.http import QueryDict

    asked = Selection.of(QueryDict("q=tide&state=failed&song=3&song=5&song=5&song=-1&song=9e9&sort=title"))
    assert asked.query() == "q=tide&state=failed&sort=title&song=3&song=5"
    assert Selection.of(QueryDict(asked.query())) == asked
    assert Selection.of(QueryDict("q=tide&all=1&song=3")).query() == "q=tide&all=1"
