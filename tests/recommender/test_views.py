"""The listener's pages: their content for each kind of user, with and without JavaScript."""

from __future__ import annotations

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from catalog.core.wording import clock
from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.library.services import Override, library_edit
from recommender.models import FeltRating, Listen, Playlist
from recommender.requests import Listener, Target
from recommender.services import playlists
from tests.factories import ArtistFactory, EstimateFactory, RatingFactory, SongFactory

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
JSON = {"Accept": "application/json"}
AXES = ["valence", "arousal"]
BOOSTED = {"HX-Request": "true", "HX-Boosted": "true"}


@pytest.fixture
def songs(db: None) -> list[Song]:
    """Twenty songs, five in each quadrant."""
    return [EstimateFactory(quadrant=Quadrant(n % 4 + 1), confidence=0.5 + n / 50).song for n in range(20)]


@pytest.fixture
def alices_playlist(alice: User, songs: list[Song]) -> Playlist:
    """A calm list of Alice's."""
    return playlists.playlist_create(
        listener=Listener(user=alice), target=Target.of_quadrant(Quadrant.Q4), length=8, seed=3
    )


def felt_url(song: Song) -> str:
    return reverse("recommender:song_felt", args=[song.pk])


# --- Home -------------------------------------------------------------------------------------------------------


def test_home_shows_the_pad_and_the_count_of_each_quadrant(client: Client, songs: list[Song]) -> None:
    page = client.get("/").content.decode()
    assert page.count("5 songs") == 4
    assert 'name="valence"' in page
    assert 'name="arousal"' in page


def test_home_of_a_passing_visitor_opens_no_session(client: Client, songs: list[Song]) -> None:
    assert "sessionid" not in client.get("/").cookies


def test_empty_home_asks_a_curator_to_upload_and_others_to_wait(client: Client, client_cleo: Client) -> None:
    visitor, curator = client.get("/").content.decode(), client_cleo.get("/").content.decode()
    for page in (visitor, curator):
        assert "No music yet" in page
        assert 'hx-get="/home/body/"' in page, "the page follows by itself once songs are on their way"
    assert 'href="/accounts/login/?next=/uploads/">Add my folder' in visitor
    assert 'href="/uploads/#upload-folder">Add my folder' in curator


def test_home_before_the_first_tag_says_how_far_it_is_and_asks_again(client: Client) -> None:
    SongFactory.create_batch(3, state=Song.State.QUEUED)
    page = client.get("/").content.decode()
    assert "0 of 3 songs analysed." in page
    assert f'hx-get="{reverse("recommender:home_body")}"' in page


def test_progress_stops_asking_when_nothing_waits(client: Client, songs: list[Song]) -> None:
    fragment = client.get(reverse("recommender:analysis_progress"), headers=HTMX).content.decode()
    assert "All 20 songs have been analysed." in fragment
    assert "hx-get" not in fragment


def test_progress_brings_the_quadrants_anew(client: Client) -> None:
    SongFactory(state=Song.State.QUEUED)
    EstimateFactory(quadrant=Quadrant.Q1)
    assert "hx-swap-oob" not in client.get("/").content.decode()
    fragment = client.get(reverse("recommender:analysis_progress"), headers=HTMX).content.decode()
    assert 'id="quadrants" hx-swap-oob="true"' in fragment
    assert fragment.count("disabled") == 3, "only the quadrant of the song can be played"


def test_home_says_when_every_song_failed(client: Client) -> None:
    SongFactory(state=Song.State.FAILED, failure_code="silent", failure_reason="It is silent.")
    page = client.get("/").content.decode()
    assert "The 1 uploaded song could not be analysed." in page


# --- Songs ------------------------------------------------------------------------------------------------------


def test_songs_are_filtered_by_quadrant_genre_and_artist(client: Client) -> None:
    artist = ArtistFactory(name="Only Her", name_key="only her")
    wanted = EstimateFactory(quadrant=Quadrant.Q3, song__artist=artist, song__genre="Waltz", song__title="Wanted").song
    EstimateFactory(quadrant=Quadrant.Q1, song__artist=artist, song__genre="Waltz", song__title="Other mood")
    EstimateFactory(quadrant=Quadrant.Q3, song__genre="Waltz", song__title="Other artist")
    query: dict[str, str | int] = {"quadrant": 3, "genre": "Waltz", "artist": artist.pk}
    page = client.get(reverse("recommender:song_list"), query).content.decode()
    assert wanted.title in page
    assert "Other mood" not in page
    assert "Other artist" not in page


def test_search_answers_htmx_with_the_results_and_a_boosted_link_with_the_page(
    client: Client, songs: list[Song]
) -> None:
    url = reverse("recommender:song_list")
    assert b"<html" not in client.get(url, headers=HTMX).content
    assert b"<html" in client.get(url, headers=BOOSTED).content


@pytest.mark.parametrize(
    "query", [{"quadrant": "9"}, {"artist": "x"}, {"page": "-3"}, {"page": "99999"}, {"q": "\x00"}, {"q": "a" * 500}]
)
def test_a_query_that_makes_no_sense_still_shows_songs(
    client: Client, songs: list[Song], query: dict[str, str]
) -> None:
    assert client.get(reverse("recommender:song_list"), query).status_code == 200


def test_pages_keep_the_filter(client: Client) -> None:
    for _ in range(31):
        EstimateFactory(quadrant=Quadrant.Q1)
    page = client.get(reverse("recommender:song_list"), {"quadrant": 1}).content.decode()
    assert "?quadrant=1&amp;page=2" in page


def test_search_without_a_hit_says_so(client: Client, songs: list[Song]) -> None:
    page = client.get(reverse("recommender:song_list"), {"q": "nonesuch"}).content.decode()
    assert "No matches" in page


def test_song_page_shows_the_four_probabilities_and_the_model(client: Client) -> None:
    estimate = EstimateFactory(quadrant=Quadrant.Q4, confidence=0.82)
    page = client.get(reverse("recommender:song_detail", args=[estimate.song_id])).content.decode()
    assert "82\u00a0%" in page
    assert page.count('<progress class="bar--q') == 4
    assert estimate.model_version in page


@pytest.mark.parametrize(
    ("probabilities", "sentence"),
    [
        ((0.5, 0.45, 0.02, 0.03), "The model is undecided between Happy and Tense."),
        ((0.1, 0.15, 0.4, 0.35), "The model is undecided between Sad and Calm."),
        ((0.28, 0.26, 0.22, 0.24), "The model is undecided between all four moods."),
        ((0.7, 0.1, 0.1, 0.1), ""),
    ],
)
def test_song_page_says_between_which_moods_the_model_is_undecided(
    client: Client, probabilities: tuple[float, ...], sentence: str
) -> None:
    p = {f"p_q{i}": p for i, p in enumerate(probabilities, start=1)}
    quadrant = Quadrant(int(np.argmax(probabilities)) + 1)
    estimate = EstimateFactory(quadrant=quadrant, valence_sd=0.21, arousal_sd=0.34, **p)
    page = client.get(reverse("recommender:song_detail", args=[estimate.song_id])).content.decode()
    assert ("The model is undecided" in page) == bool(sentence)
    assert sentence in page
    assert "± 0.21</dd>" in page
    assert "± 0.34</dd>" in page


def test_song_page_tells_the_models_point_from_what_a_curator_decided(client: Client, cleo: User) -> None:
    old = EstimateFactory(p_q1=0.28, p_q2=0.26, p_q3=0.22, p_q4=0.24)
    page = client.get(reverse("recommender:song_detail", args=[old.song_id])).content.decode()
    assert "±" not in page
    decided = EstimateFactory(p_q1=0.28, p_q2=0.26, p_q3=0.22, p_q4=0.24, valence_sd=0.21, arousal_sd=0.34)
    library_edit(song_ids=[decided.song_id], values={}, override=Override(Quadrant.Q4), editor=cleo)
    page = client.get(reverse("recommender:song_detail", args=[decided.song_id])).content.decode()
    assert "set by a curator" in page
    # The model's point with its doubt, and the point that counts.
    assert "± 0.21" in page
    assert "it counts as" in page
    assert "undecided" not in page


def test_song_page_marks_a_song_shorter_than_the_window(client: Client) -> None:
    estimate = EstimateFactory(is_partial=True, window_s=14.0)
    page = client.get(reverse("recommender:song_detail", args=[estimate.song_id])).content.decode()
    assert "Only 14 s played" in page


def test_song_page_says_why_a_song_failed(client: Client) -> None:
    song = SongFactory(state=Song.State.FAILED, failure_code="silent", failure_reason="There is nothing to hear.")
    page = client.get(reverse("recommender:song_detail", args=[song.pk])).content.decode()
    assert "There is nothing to hear." in page


def test_song_page_offers_native_controls_without_javascript(client: Client, songs: list[Song]) -> None:
    page = client.get(reverse("recommender:song_detail", args=[songs[0].pk])).content.decode()
    assert f'<noscript><audio controls preload="none" src="/songs/{songs[0].pk}/audio">' in page


def test_text_from_tags_is_escaped(client: Client) -> None:
    song = EstimateFactory(song__title='"><script>alert(1)</script>').song
    for url in (reverse("recommender:song_list"), reverse("recommender:song_detail", args=[song.pk])):
        assert b"<script>alert" not in client.get(url).content


def test_a_song_that_is_not_there_is_a_page_too(client: Client) -> None:
    response = client.get(reverse("recommender:song_detail", args=[4711]))
    assert response.status_code == 404
    assert b"There is nothing at this address" in response.content


# --- Playlists --------------------------------------------------------------------------------------------------


def test_a_quadrant_button_makes_a_list_and_plays_it(client: Client, songs: list[Song]) -> None:
    # The sliders of the same form are sent as well; the button wins.
    values = {"quadrant": "4", "valence": "0.9", "arousal": "0.9", "length": "6"}
    response = client.post(reverse("recommender:playlist_list"), values)
    playlist = Playlist.objects.get()
    assert response["Location"] == reverse("recommender:playlist_detail", args=[playlist.pk]) + "?play=1"
    assert playlist.target_quadrant == Quadrant.Q4
    assert playlist.requested_length == 6
    page = client.get(response["Location"]).content.decode()
    assert "data-autoplay" in page
    assert page.count("data-track") == playlist.items.count()


def test_the_pad_makes_a_list_around_a_point(client: Client, songs: list[Song]) -> None:
    client.post(reverse("recommender:playlist_list"), {"valence": "-0.4", "arousal": "0.24"})
    playlist = Playlist.objects.get()
    assert (playlist.target_valence, playlist.target_arousal) == (-0.4, 0.24)
    assert playlist.requested_length == 12


@pytest.mark.parametrize(
    "values",
    [{}, {"quadrant": "7"}, {"valence": "0.1"}, {"valence": "2", "arousal": "0"}, {"valence": "nan", "arousal": "0"}],
)
def test_a_target_that_makes_no_sense_is_said_on_the_home_page(client: Client, values: dict[str, str]) -> None:
    response = client.post(reverse("recommender:playlist_list"), values, follow=True)
    assert not Playlist.objects.exists()
    assert b"message--error" in response.content


def test_the_list_shows_each_reason_and_the_note(client_alice: Client, alices_playlist: Playlist) -> None:
    Playlist.objects.update(note="Only 8 songs are tagged so far.")
    page = client_alice.get(reverse("recommender:playlist_detail", args=[alices_playlist.pk])).content.decode()
    assert "Only 8 songs are tagged so far." in page
    item = alices_playlist.items.first()
    assert item is not None
    assert item.reason.split(";")[0] in page


def test_an_empty_catalog_gives_a_list_that_says_why_it_is_empty(client: Client) -> None:
    response = client.post(reverse("recommender:playlist_list"), {"quadrant": "1"}, follow=True)
    assert response.status_code == 200
    assert Playlist.objects.get().note in response.content.decode()


def test_own_lists_are_shown_to_their_owner_alone(
    client: Client, client_alice: Client, client_bob: Client, alices_playlist: Playlist
) -> None:
    url = reverse("recommender:playlist_list")
    path = reverse("recommender:playlist_detail", args=[alices_playlist.pk])
    assert path in client_alice.get(url).content.decode()
    assert path not in client_bob.get(url).content.decode()
    assert path not in client.get(url).content.decode()


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("get", "playlist_detail"),
        ("get", "playlist_items"),
        ("post", "playlist_regenerate"),
        ("post", "playlist_delete"),
    ],
)
def test_nobody_else_reaches_a_list(
    client: Client, client_bob: Client, client_staff: Client, alices_playlist: Playlist, method: str, name: str
) -> None:
    url = reverse(f"recommender:{name}", args=[alices_playlist.pk])
    for stranger in (client, client_bob, client_staff):
        assert getattr(stranger, method)(url).status_code == 404
    assert Playlist.objects.count() == 1


def test_other_songs_for_the_same_target(client_alice: Client, alices_playlist: Playlist) -> None:
    client_alice.post(reverse("recommender:playlist_regenerate", args=[alices_playlist.pk]))
    other = Playlist.objects.exclude(pk=alices_playlist.pk).get()
    assert other.target_quadrant == alices_playlist.target_quadrant
    assert other.requested_length == alices_playlist.requested_length
    assert other.seed != alices_playlist.seed


def test_delete_keeps_ratings(client_alice: Client, alice: User, alices_playlist: Playlist) -> None:
    RatingFactory(listener=alice, playlist=alices_playlist)
    response = client_alice.post(reverse("recommender:playlist_delete", args=[alices_playlist.pk]), follow=True)
    assert "was deleted." in response.content.decode()
    assert client_alice.get(reverse("recommender:playlist_detail", args=[alices_playlist.pk])).status_code == 404
    assert FeltRating.objects.count() == 1


# --- Feedback ---------------------------------------------------------------------------------------------------


def test_a_rating_is_stored_and_the_rest_of_the_list_follows(
    client_alice: Client, alice: User, alices_playlist: Playlist
) -> None:
    first = alices_playlist.items.select_related("song").first()
    assert first is not None
    values = {
        "playlist": alices_playlist.pk,
        "felt": AXES,
        "felt_valence": "-0.8",
        "felt_arousal": "0.9",
    }
    answer = client_alice.post(felt_url(first.song), values, headers=JSON).json()
    rating = FeltRating.objects.get(listener=alice, song=first.song)
    assert (rating.felt_valence, rating.felt_arousal) == (-0.8, 0.9)
    assert (answer["values"]["felt_valence"], answer["changed"]) == (-0.8, bool(answer["moved"]))
    where = reverse("recommender:playlist_items", args=[alices_playlist.pk])
    fragment = client_alice.get(where, {"moved": ",".join(map(str, answer["moved"]))}).content.decode()
    items = list(Playlist.objects.get().items.select_related("song").order_by("position"))
    places = [fragment.index(f'data-song="{item.song_id}" data-title') for item in items]
    assert places == sorted(places)
    assert fragment.count("is-moved") == len(answer["moved"])
    explained = [item for item in items if item.reason and item.song_id in answer["moved"]]
    assert fragment.count("Moved.") == len(explained), "where nothing says why, nothing is said"
    # The total is that of the songs of now.
    assert 'hx-swap-oob="innerHTML:#playlist-total"' in fragment
    assert f"{len(items)} songs · {clock(sum(item.song.duration_s for item in items))}" in " ".join(fragment.split())


def test_untouched_sliders_are_no_feeling(client_alice: Client, alice: User, songs: list[Song]) -> None:
    values = {"felt_valence": "0", "felt_arousal": "0", "liked": "yes"}
    client_alice.post(felt_url(songs[0]), values)
    rating = FeltRating.objects.get(listener=alice)
    assert (rating.felt_valence, rating.felt_arousal) == (None, None)
    assert (rating.liked, rating.familiar) == (True, None)
    client_alice.post(felt_url(songs[0]), {"felt": "arousal", "felt_valence": "0", "felt_arousal": "0.5"})
    rating.refresh_from_db()
    assert (rating.felt_valence, rating.felt_arousal) == (None, 0.5)


def test_a_box_that_is_no_longer_ticked_changes_the_answer(client_alice: Client, songs: list[Song]) -> None:
    for familiar, said in ((["yes"], True), (["no", "yes"], True), (["no"], False)):
        client_alice.post(felt_url(songs[0]), {"liked": "yes", "familiar": familiar})
        assert FeltRating.objects.get().familiar is said


def test_felt_nothing_needs_no_sliders(client_alice: Client, alice: User, songs: list[Song]) -> None:
    values = {"felt": "valence", "felt_valence": "0.5", "felt_nothing": "1"}
    client_alice.post(felt_url(songs[0]), values)
    rating = FeltRating.objects.get(listener=alice)
    assert rating.felt_nothing
    assert rating.felt_valence is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"felt_valence": "0", "felt_arousal": "0"}, "There is no answer yet"),
        ({"felt": "valence", "felt_arousal": "0.2"}, "There is no answer yet"),
        ({"felt": "valence", "felt_valence": "1.7", "felt_arousal": "0"}, "Felt valence: "),
    ],
)
def test_an_answer_that_says_nothing_is_explained(
    client_alice: Client, songs: list[Song], values: dict[str, str], sentence: str
) -> None:
    assert sentence in client_alice.post(felt_url(songs[0]), values, headers=JSON).json()["sentence"]
    assert sentence in client_alice.post(felt_url(songs[0]), values, follow=True).content.decode()
    assert not FeltRating.objects.exists()


def test_without_javascript_a_rating_leads_back_to_the_list(client_alice: Client, alices_playlist: Playlist) -> None:
    item = alices_playlist.items.select_related("song").first()
    assert item is not None
    values = {
        "playlist": alices_playlist.pk,
        "felt": AXES,
        "felt_valence": "0.2",
        "felt_arousal": "0.2",
    }
    response = client_alice.post(felt_url(item.song), values, follow=True)
    assert response.redirect_chain[-1][0] == reverse("recommender:playlist_detail", args=[alices_playlist.pk])
    assert b"Saved." in response.content


def test_a_rating_can_be_withdrawn(client_alice: Client, alice: User, alices_playlist: Playlist) -> None:
    item = alices_playlist.items.select_related("song").first()
    assert item is not None
    RatingFactory(listener=alice, song=item.song)
    url = reverse("recommender:song_felt_withdraw", args=[item.song_id])
    answer = client_alice.post(url, {"playlist": alices_playlist.pk}, headers=JSON).json()
    assert answer["sentence"] == "Your rating was withdrawn."
    assert answer["values"]["felt_valence"] is None
    assert not FeltRating.objects.exists()


def test_the_panel_shows_the_earlier_answer_of_this_listener_only(
    client_alice: Client, client_bob: Client, alice: User, songs: list[Song]
) -> None:
    RatingFactory(listener=alice, song=songs[0], felt_valence=-0.62, felt_arousal=0.4)
    page = reverse("recommender:song_detail", args=[songs[0].pk])
    assert 'value="-0.62"' in client_alice.get(page).content.decode()
    assert 'value="-0.62"' not in client_bob.get(page).content.decode()
    assert client_bob.get(felt_url(songs[0])).json()["values"]["felt_valence"] is None


def test_a_rating_needs_an_account(client: Client, songs: list[Song]) -> None:
    url = felt_url(songs[0])
    values = {"felt": AXES, "felt_valence": "0.2", "felt_arousal": "0.2"}
    back = f"next=/songs/{songs[0].pk}/"
    assert back in client.get(reverse("recommender:song_detail", args=[songs[0].pk])).content.decode()
    assert client.post(url, values, headers=JSON).json()["sign_in"] is True
    assert client.post(url, values)["Location"].startswith(reverse("accounts:login"))
    assert client.post(reverse("recommender:song_felt_withdraw", args=[songs[0].pk])).status_code == 302
    assert not FeltRating.objects.exists()


def test_a_rating_cannot_name_another_users_list(client_bob: Client, alices_playlist: Playlist) -> None:
    item = alices_playlist.items.select_related("song").first()
    assert item is not None
    values = {
        "playlist": alices_playlist.pk,
        "felt": AXES,
        "felt_valence": "0.2",
        "felt_arousal": "0.2",
    }
    assert client_bob.post(felt_url(item.song), values, headers=JSON).status_code == 404
    assert not FeltRating.objects.exists()


def test_playing_is_noted_for_anybody(client: Client, client_alice: Client, alices_playlist: Playlist) -> None:
    item = alices_playlist.items.first()
    assert item is not None
    url = reverse("recommender:song_played", args=[item.song_id])
    assert client_alice.post(url, {"playlist": alices_playlist.pk}).status_code == 204
    item.refresh_from_db()
    assert item.played_at is not None
    assert client.post(url, {"playlist": ""}).status_code == 204
    assert client.post(url, {"playlist": alices_playlist.pk}).status_code == 404
    assert Listen.objects.count() == 2


def test_how_a_song_ended_is_noted_for_anybody_and_is_no_rating(
    client: Client, client_alice: Client, alices_playlist: Playlist
) -> None:
    item = alices_playlist.items.first()
    assert item is not None
    skipped, completed = (reverse(f"recommender:song_{how}", args=[item.song_id]) for how in ("skipped", "completed"))
    values = {"playlist": alices_playlist.pk, "listened_s": "3.5"}
    answer = client_alice.post(skipped, values).json()
    assert answer["changed"] is bool(answer["sentence"].count("moved"))
    assert "Your skip of" in answer["sentence"]
    assert client.post(completed, {"listened_s": "60"}).json() == {"changed": False, "sentence": "", "moved": []}
    outcomes = Listen.objects.order_by("pk").values_list("listener__username", "outcome", "listened_s")
    assert list(outcomes) == [("alice", "skipped", 3.5), (None, "completed", 60.0)]
    assert not FeltRating.objects.exists()
    assert client.post(skipped, values).status_code == 404
    assert client_alice.post(skipped, {"listened_s": "-1"}).status_code == 400


# --- The frame --------------------------------------------------------------------------------------------------


def test_only_curators_see_the_way_to_upload(client: Client, client_alice: Client, client_cleo: Client) -> None:
    link = f'href="{reverse("catalog:uploads")}"'
    seen = [
        link in each.get(reverse("recommender:song_list")).content.decode().split("<main")[0]
        for each in (client, client_alice, client_cleo)
    ]
    assert seen == [False, False, True]


def test_no_page_has_inline_script_or_style(client_alice: Client, alices_playlist: Playlist) -> None:
    song_id = alices_playlist.items.values_list("song_id", flat=True)[0]
    way = "/journey/?start_valence=-0.5&start_arousal=0.5&end_valence=0.5&end_arousal=-0.5"
    list_path = f"/playlists/{alices_playlist.pk}/"
    paths = ["/", "/songs/", f"/songs/{song_id}/", "/playlists/", list_path, f"{list_path}?arrange=1", "/status/", way]
    for path in paths:
        response = client_alice.get(path)
        page = response.content.decode()
        assert "style=" not in page, path
        assert "<style" not in page, path
        assert "<script>" not in page, path
        assert "'unsafe" not in response["Content-Security-Policy"]


def test_a_closed_site_asks_for_an_account(
    client: Client, client_alice: Client, settings: Settings, songs: list[Song]
) -> None:
    settings.MOODPLANE_PUBLIC = False
    assert client.get("/songs/").status_code == 302
    assert client_alice.get("/songs/").status_code == 200
