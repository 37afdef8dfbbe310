"""The library: what stands on its pages, in which order, and for whom."""

from __future__ import annotations

import re

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from catalog.models import FolderFile, WatchedFolder
from catalog.songs.services import further_artists_set
from emotion.inference.quadrants import Quadrant
from emotion.library.services import Override, library_edit
from recommender import selectors
from recommender.browse import folders
from recommender.browse import selectors as browse
from recommender.browse.density import Estimated, density, outlines
from recommender.browse.smart import READY
from recommender.forms import SongFilterForm
from recommender.models import AlbumLike, Listen, SmartList
from recommender.requests import NOBODY, Listener
from tests.factories import (
    AlbumFactory,
    ArtistFactory,
    EstimateFactory,
    ListenFactory,
    RatingFactory,
    SongFactory,
)

pytestmark = pytest.mark.django_db


def titles(response: object) -> list[str]:
    """Return the titles of the song rows of a page, in order."""
    html = response.content.decode()  # type: ignore[attr-defined]
    return re.findall(r'<a class="song-row__title"[^>]*>([^<]*)</a>', html)


# --- Names in order ---------------------------------------------------------------------------------------------------


def test_names_are_in_the_order_that_people_expect() -> None:
    for name in ("Zappa", "The Beatles", "abba", "Édith Piaf", "!!!", "2Pac", "宇多田", "The The", "Ärzte"):
        ArtistFactory(name=name)
    assert [str(each) for each in browse.artists_browse()] == [
        "!!!", "2Pac", "abba", "Ärzte", "The Beatles", "Édith Piaf", "The The", "Zappa", "宇多田",
    ]  # fmt: skip


def test_a_letter_leads_to_the_page_of_its_first_name() -> None:
    for name in ("Abba", "Air", "Bach", "Cure", "宇多田", "2Pac"):
        ArtistFactory(name=name)
    letters = {each.name: each.page for each in browse.letters(browse.artists_browse(), per_page=2)}
    assert {name: page for name, page in letters.items() if page} == {"#": 1, "A": 1, "B": 2, "C": 3, "…": 3}
    assert letters["Z"] is None


# --- Albums and artists -----------------------------------------------------------------------------------------------


def test_an_album_shows_its_discs_in_order_and_its_mood(client: Client) -> None:
    album = AlbumFactory(title="Box")
    for disc, track in ((2, 1), (1, 2), (1, 1), (2, 2)):
        song = SongFactory(
            title=f"{disc}-{track}", album=album, artist=album.artist, disc_number=disc, track_number=track
        )
        EstimateFactory(song=song, quadrant=Quadrant.Q3)
    response = client.get(reverse("recommender:album_detail", args=[album.pk]))
    assert titles(response) == ["1-1", "1-2", "2-1", "2-2"]
    html = response.content.decode()
    assert [int(n) for n in re.findall(r'id="disc-(\d)"', html)] == [1, 2]
    assert 'aria-label="4 Sad ' in html
    assert str(album.artist) not in re.findall(r'class="song-row__meta">(.*?)</p>', html), "said once, above the songs"


def test_an_artist_has_their_albums_and_those_on_which_they_appear(client: Client) -> None:
    ann = ArtistFactory(name="Ann")
    early, late = AlbumFactory(title="Early", artist=ann), AlbumFactory(title="Late", artist=ann)
    mixed = AlbumFactory(title="Mixed")
    SongFactory(artist=ann, album=early, year=1970)
    SongFactory(artist=ann, album=late, year=1990)
    guest = SongFactory(title="Duet", artist=mixed.artist, album=mixed, credit=f"{mixed.artist.name} feat. Ann")
    further_artists_set({guest.pk: [ann.pk]})
    own, on = browse.artist_albums(ann)
    assert [album.title for album in own] == ["Late", "Early"]
    assert [album.title for album in on] == ["Mixed"]
    assert "Duet" in titles(client.get(reverse("recommender:artist_detail", args=[ann.pk])))
    [described] = browse.artists_describe([ann])
    assert (described.facts.n_albums, described.facts.n_songs) == (2, 3)  # type: ignore[attr-defined]


def test_the_songs_that_one_played_most_stand_first_at_an_artist(alice: User) -> None:
    ann = ArtistFactory()
    first, often, new = SongFactory.create_batch(3, artist=ann)
    ListenFactory.create_batch(2, listener=alice, song=often, outcome=Listen.Outcome.COMPLETED)
    ListenFactory(listener=alice, song=first, listened_s=31.0)
    assert browse.songs_top(browse.artist_songs(ann), Listener(alice), 3) == [often.pk, first.pk, new.pk]
    assert browse.songs_top(browse.artist_songs(ann), NOBODY, 2) == [new.pk, often.pk]


def test_liking_an_album(client: Client, client_alice: Client, client_bob: Client) -> None:
    album = AlbumFactory()
    SongFactory(album=album)
    like = reverse("recommender:album_like", args=[album.pk])
    assert client.post(like)["Location"].startswith(reverse("accounts:login"))
    client_alice.post(like)
    client_alice.post(like)
    assert AlbumLike.objects.count() == 1
    page = reverse("recommender:album_list") + "?liked=on"
    assert album.title in client_alice.get(page).content.decode()
    assert album.title not in client_bob.get(page).content.decode()
    client_alice.post(reverse("recommender:album_unlike", args=[album.pk]))
    assert not AlbumLike.objects.exists()


def test_genres_and_decades_are_counted() -> None:
    SongFactory(genre="Rock; Pop", year=1999)
    SongFactory(genre="rock", year=1990)
    SongFactory(genre="", year=None)
    assert [(genre.name.casefold(), genre.n_songs) for genre in browse.genres_counted()] == [("pop", 1), ("rock", 2)]
    assert [(decade.name, decade.n_songs) for decade in browse.decades_counted()] == [("1990", 2)]


# --- Search -----------------------------------------------------------------------------------------------------------


def test_one_search_finds_artists_albums_songs_and_forgives(client: Client) -> None:
    beatles = ArtistFactory(name="The Beatles")
    album = AlbumFactory(title="Help!", artist=beatles)
    SongFactory(title="Yesterday", artist=beatles, album=album)
    url = reverse("recommender:search")
    html = client.get(url, {"q": "beetles"}).content.decode()
    assert "Showing “beatles”" in html
    assert reverse("recommender:artist_detail", args=[beatles.pk]) in html
    assert "Help!" in client.get(url, {"q": "HELP"}, headers={"HX-Request": "true"}).content.decode()
    assert titles(client.get(url, {"q": "yesterdy"})) == ["Yesterday"]
    assert titles(client.get(reverse("recommender:song_list"), {"q": "yesterdy"})) == ["Yesterday"]
    assert "Nothing here has “xylophone”" in client.get(url, {"q": "xylophone"}).content.decode()
    for words in ("", "'", "\x00", "a" * 500, "🙂"):
        assert client.get(url, {"q": words}).status_code == 200


def test_own_playlists_are_found_without_accents_and_with_a_wrong_letter(
    client_alice: Client, client_bob: Client
) -> None:
    SongFactory(title="Somersault")
    ArtistFactory(name="Zarious Artists")
    client_alice.post(reverse("recommender:playlist_new"), {"title": "Été à Sommerstedt"})
    for words in ("ete", "SOMMER été", "sommerstett", "eté sommerstedd"):
        for client, n_lists in ((client_alice, 1), (client_bob, 0)):
            html = client.get(reverse("recommender:search"), {"q": words}).content.decode()
            assert html.count(">Été à Sommerstedt<") == n_lists, words
    html = client_alice.get(reverse("recommender:search"), {"q": "zarious"}).content.decode()
    assert "Showing" not in html, "an artist without songs is known"


# --- Rules and smart lists --------------------------------------------------------------------------------------------


def found(query: str, listener: Listener = NOBODY) -> set[str]:
    songs = selectors.songs_browse(**SongFilterForm(QueryDict(query)).filters, listener=listener)
    assert len(songs) == len(list(songs))
    return {song.title for song in songs}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("liked=on", {"liked"}),
        ("plays_from=2", {"played"}),
        ("plays_to=0", {"liked", "old", "sure"}),
        ("unplayed_days=30", {"liked", "old", "sure"}),
        ("felt=3", {"sure"}),
        ("year_to=1970", {"old"}),
        ("year_from=1971&year_to=2000", {"liked"}),
        ("minutes_from=5", {"played"}),
        ("minutes_to=1", {"liked", "old", "sure"}),
        ("valence_from=0.5&arousal_to=0", {"sure"}),
        ("valence_from=0.5&sure_from=90", {"sure"}),
        ("added_days=1", {"liked", "old", "played", "sure"}),
        ("sort=plays", {"played"}),
        ("sort=played", {"played"}),
        # What is no rule is ignored, as is one without sense.
        ("year_to=abc&nonsense=1", {"liked", "old", "played", "sure"}),
    ],
)
def test_rules_find_songs(alice: User, bob: User, query: str, expected: set[str]) -> None:
    RatingFactory(listener=alice, song=SongFactory(title="liked", year=1980), liked=True)
    SongFactory(title="old", year=1965)
    played = SongFactory(title="played", duration_s=400.0)
    ListenFactory.create_batch(2, listener=alice, song=played, outcome=Listen.Outcome.COMPLETED)
    sure = EstimateFactory(song__title="sure", quadrant=Quadrant.Q4, confidence=0.95, valence=0.7, arousal=-0.4).song
    RatingFactory(listener=alice, song=sure, felt_valence=-0.5, felt_arousal=-0.5, liked=None)
    assert found(query, Listener(alice)) == expected
    if query.startswith(("liked", "felt", "plays_from", "sort")):
        assert found(query, Listener(bob)) == set(), "of somebody else"


def test_rules_mean_the_mood_that_counts(cleo: User) -> None:
    estimate = EstimateFactory(song__title="happy", quadrant=Quadrant.Q1, valence=0.7, arousal=0.6, confidence=0.6)
    assert found("valence_from=0.5") == {"happy"}
    library_edit(song_ids=[estimate.song_id], values={}, override=Override(Quadrant.Q2), editor=cleo)
    assert found("valence_from=0.5") == set()
    assert found("valence_to=0&arousal_from=0.5") == {"happy"}
    assert found("sure_from=90") == {"happy"}, "a curator is sure"


def test_a_smart_list_is_found_anew_and_is_its_owners_alone(client_alice: Client, client_bob: Client) -> None:
    SongFactory(title="First", year=1971)
    client_alice.post(reverse("recommender:smart_list_new"), {"title": "Old ones", "rules": "year_to=1979&junk=1"})
    [smart] = SmartList.objects.all()
    assert smart.query == "year_to=1979"
    url = reverse("recommender:smart_list", args=[smart.pk])
    SongFactory(title="Second", year=1972)
    assert titles(client_alice.get(url)) == ["Second", "First"]
    assert client_bob.get(url).status_code == 404
    assert client_bob.post(reverse("recommender:smart_list_delete", args=[smart.pk])).status_code == 404
    save = reverse("recommender:smart_list_save", args=[smart.pk])
    client_alice.post(save, {"title": "Older", "rules": "year_to=1971"})
    assert titles(client_alice.get(url)) == ["First"]
    assert client_alice.post(save, {"title": "None", "rules": "junk=1"}).status_code == 400
    client_alice.post(reverse("recommender:smart_list_delete", args=[smart.pk]))
    assert client_alice.get(url).status_code == 404


def test_what_plays_and_saves_a_list_follows_its_limits(client_alice: Client) -> None:
    SongFactory.create_batch(31, title="Yesterday", year=1965)
    url, htmx = reverse("recommender:song_list"), {"HX-Request": "true"}
    html = client_alice.get(url, {"year_to": "1970", "q": ""}, headers=htmx).content.decode()
    assert html.count("hx-swap-oob") == 2
    assert f'data-list-url="{reverse("recommender:songs_queue")}?year_to=1970"' in html
    assert 'name="rules" value="year_to=1970"' in html
    assert "hx-swap-oob" not in client_alice.get(url, {"year_to": "1970", "page": "2"}, headers=htmx).content.decode()
    misspelt = client_alice.get(reverse("recommender:songs_queue"), {"q": "yesterdy"})
    assert misspelt.content.decode().count("data-track ") == 31, "what the page shows for it"


def test_the_limits_of_a_smart_list_are_removed_one_by_one(client_alice: Client) -> None:
    client_alice.post(reverse("recommender:smart_list_new"), {"title": "X", "rules": "year_from=1960&year_to=1979"})
    [smart] = SmartList.objects.all()
    assert 'href="/songs/?year_to=1979"' in client_alice.get(f"/smart/{smart.pk}/").content.decode()
    html = client_alice.get("/songs/", {"smart": f"{smart.pk}", "year_to": "1979"}).content.decode()
    assert f'type="hidden" name="smart" value="{smart.pk}"' in html, "the form without scripts saves to the list, too"


def test_ready_lists_open_for_everybody(client: Client) -> None:
    for ready in READY:
        assert client.get(reverse("recommender:ready_list", args=[ready.slug])).status_code == 200
    assert client.get(reverse("recommender:ready_list", args=["nothing"])).status_code == 404


# --- Folders ----------------------------------------------------------------------------------------------------------


def test_folders_are_shown_as_they_are_on_the_disk(client: Client) -> None:
    root = WatchedFolder.objects.create(path=b"/srv/private/music")
    facts = {"size_bytes": 1, "mtime_ns": 1, "ctime_ns": 1, "device": 1, "content_hash": "0" * 64}
    paths = [
        b"a/one.mp3",
        b"a/b/two.mp3",
        b"a/b/c/three.mp3",
        b"a0/four.mp3",
        b"\xff\xfe/five.mp3",
        b"six.mp3",
        b"z/x.txt",
    ]
    for path in paths:
        song = SongFactory(title=path.decode("latin1")) if path.endswith(b".mp3") else None
        FolderFile.objects.create(folder=root, path=path, song=song, **facts)
    assert [each.name for each in folders.folders_in(root, b"")] == ["a", "a0", "z", "\ufffd\ufffd"]
    assert [song.title for song in folders.songs_in(root, b"")] == ["six.mp3"]
    assert [each.name for each in folders.folders_in(root, b"a/")] == ["b"]
    assert [song.title for song in folders.songs_in(root, b"a/")] == ["a/one.mp3"]
    odd = folders.folders_in(root, b"")[-1]
    url = reverse("recommender:folder_list")
    assert titles(client.get(url, {"in": f"{root.pk}", "path": odd.path})) == ["ÿþ/five.mp3"]
    html = client.get(url, {"in": root.pk}).content.decode()
    assert "private" not in html
    for bad in ("!", "ü", "a", "../../etc"):
        assert client.get(url, {"in": root.pk, "path": bad}).status_code in (200, 404)
    assert client.get(url, {"in": 10**9 - 1}).status_code == 404


# --- Where songs lie --------------------------------------------------------------------------------------------------


def test_a_density_holds_all_of_its_songs_and_is_drawn_the_right_way_up() -> None:
    grid = density([Estimated(0.8, 0.8, 0.05, 0.05), Estimated(-0.9, -0.9, 0.4, 0.4)], n_cells=10)
    assert grid.sum() == pytest.approx(1.0)
    assert grid[:5, 5:].sum() == pytest.approx(0.5, abs=0.02), "happy is at the top right"
    assert grid[:2, 8:].sum() > 0.45
    wide, narrow = outlines(grid, (0.8, 0.4))
    assert (wide.count("M"), narrow.count("M")) == (2, 1)
    points = np.array([point.split() for point in re.findall(r"[\d.]+ [\d.]+", narrow)], float)
    assert points.min(axis=0)[0] > 70
    assert points.max(axis=0)[1] < 30
    assert wide.startswith("M")
    assert wide.endswith("Z")


def test_endless_scrolling_is_pages_without_scripts(client: Client) -> None:
    SongFactory.create_batch(31)
    html = client.get(reverse("recommender:song_list")).content.decode()
    assert 'hx-get="?page=2"' in html
    assert 'href="?page=2"' in html
    assert len(titles(client.get(reverse("recommender:song_list"), {"page": 2}))) == 1
