"""What listeners felt, and what it moves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Song
from recommender import selectors
from recommender.exceptions import PlaylistNotFoundError, RatingInvalidError
from recommender.felt_model.model import ListenerModel
from recommender.listener import history_of
from recommender.models import FeltRating, Listen, Playlist
from recommender.requests import Listener, Target
from recommender.retrieval import estimates_playable, songs_index
from recommender.services import feedback, playlists
from tests.factories import RatingFactory
from tests.recommender.conftest import HAPPY, SongMaker, order
from tests.together import together

JSON = {"Accept": "application/json"}

# --- Ratings ------------------------------------------------------------------------------------------------------


def test_a_rating_is_stored_and_changed_answer_by_answer(alice: User, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    feedback.feedback_record(user=alice, song=song, felt_valence=0.2, felt_arousal=-0.4)
    feedback.feedback_record(user=alice, song=song, liked=True)
    rating = feedback.feedback_record(user=alice, song=song, familiar=False, listened_s=12.5).rating
    rating.refresh_from_db()
    assert (rating.felt_valence, rating.felt_arousal, rating.liked, rating.familiar) == (0.2, -0.4, True, False)
    assert (rating.listened_s, rating.model_version) == (12.5, "test-model-1")
    assert FeltRating.objects.count() == 1


def test_each_axis_is_an_answer_of_its_own(alice: User, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    rating = feedback.feedback_record(user=alice, song=song, felt_arousal=-0.4).rating
    assert (rating.felt_valence, rating.felt_arousal, rating.felt_nothing) == (None, -0.4, False)
    rating = feedback.feedback_record(user=alice, song=song, felt_valence=0.2).rating
    rating.refresh_from_db()
    assert (rating.felt_valence, rating.felt_arousal) == (0.2, -0.4)
    feedback.feedback_withdraw(user=alice, song=song, only=["felt_arousal"])
    rating.refresh_from_db()
    assert (rating.felt_valence, rating.felt_arousal) == (0.2, None)
    # With its last answer a rating goes.
    feedback.feedback_withdraw(user=alice, song=song, only=["felt_valence"])
    assert not FeltRating.objects.exists()


def test_adaptation_reads_only_the_axis_that_was_answered(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(12)
    for song in songs[:8]:
        feedback.feedback_record(user=alice, song=song, felt_arousal=-0.9)
    said = history_of(Listener(alice), songs_index()).ratings
    assert np.isnan(said.felt[:, 0]).all()
    assert (said.felt[:8, 1] == -0.9).all()
    felt = ListenerModel.fit(said, basis=songs_index().basis).predict(said.song_ids, said.perceived, said.embeddings)
    assert not felt.by_ratings[:, 0].any()
    assert (felt.by_ratings[:, 1] < 0).all()


def test_a_feeling_and_feeling_nothing_replace_each_other(alice: User, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    feedback.feedback_record(user=alice, song=song, felt_valence=0.2, felt_arousal=-0.4)
    rating = feedback.feedback_record(user=alice, song=song, felt_nothing=True).rating
    assert (rating.felt_nothing, rating.felt_valence, rating.felt_arousal) == (True, None, None)
    rating = feedback.feedback_record(user=alice, song=song, felt_valence=0.0, felt_arousal=0.0).rating
    assert (rating.felt_nothing, rating.felt_valence) == (False, 0.0)


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({}, "is empty"),
        ({"felt_valence": 1.2, "felt_arousal": 0.0}, "felt valence is 1.2"),
        ({"felt_valence": 0.0, "felt_arousal": float("nan")}, "felt arousal is nan"),
        ({"felt_valence": 0.0, "felt_arousal": 0.0, "felt_nothing": True}, "not both"),
        ({"listened_s": -1.0}, "seconds played are -1.0"),
        ({"listened_s": float("inf")}, "seconds played are inf"),
    ],
)
def test_a_rating_that_cannot_be_is_refused_with_a_sentence(
    alice: User, make_songs: SongMaker, answers: dict[str, float], sentence: str
) -> None:
    with pytest.raises(RatingInvalidError, match=sentence):
        feedback.feedback_record(user=alice, song=make_songs(1)[0], **answers)  # type: ignore[arg-type]
    assert not FeltRating.objects.exists()


def test_a_withdrawn_rating_is_gone_and_no_longer_counts(alice: User, bob: User, make_songs: SongMaker) -> None:
    songs = make_songs(12)
    listener = Listener(alice)
    usual = order(playlists.playlist_create(listener=listener, target=HAPPY, seed=3))
    RatingFactory(listener=bob, song=songs[0])
    feedback.feedback_record(user=alice, song=songs[0], felt_valence=-0.9, felt_arousal=-0.9, liked=False)
    assert order(playlists.playlist_create(listener=listener, target=HAPPY, seed=3)) != usual
    feedback.feedback_withdraw(user=alice, song=songs[0])
    feedback.feedback_withdraw(user=alice, song=songs[0])
    assert order(playlists.playlist_create(listener=listener, target=HAPPY, seed=3)) == usual
    assert FeltRating.objects.get().listener == bob


def test_ratings_move_the_next_list_and_the_reasons_say_so(alice: User, make_songs: SongMaker) -> None:
    """Who feels songs calmer than they sound is given more energetic ones, to feel what they asked for."""
    songs = make_songs(80, around=(0.0, 0.0), spread=1.0)
    listener = Listener(alice)
    arousal = dict(estimates_playable().values_list("song_id", "arousal"))

    def lists() -> list[Playlist]:
        return [playlists.playlist_create(listener=listener, target=HAPPY, seed=seed) for seed in range(4)]

    before = lists()
    for song in [song for song in songs if arousal[song.pk] > -0.2][:8]:
        felt_arousal = arousal[song.pk] - 0.7
        feedback.feedback_record(user=alice, song=song, felt_valence=0.3, felt_arousal=felt_arousal)
    after = lists()
    assert all(order(new) != order(old) for new, old in zip(after, before, strict=True))
    means = [
        np.mean([arousal[song_id] for playlist in made for song_id in order(playlist)]) for made in (before, after)
    ]
    assert means[1] > means[0]
    assert any("calmer" in item.reason for playlist in after for item in playlist.items.all())
    assert not any("rating" in item.reason for playlist in before for item in playlist.items.all())


# --- Ranking the rest again ---------------------------------------------------------------------------------------


def test_a_rating_reranks_the_rest_and_leaves_what_was_played(alice: User, make_songs: SongMaker) -> None:
    make_songs(40, around=(0.3, 0.3), spread=0.6)
    listener = Listener(alice)
    playlist = playlists.playlist_create(listener=listener, target=HAPPY, length=10, seed=1)
    before = order(playlist)
    played = playlist.items.filter(position__lte=2)
    for item in played:
        feedback.listen_record(listener=listener, song=item.song, playlist=playlist)
    rated = playlist.items.get(position=2).song
    result = feedback.feedback_record(
        user=alice, song=rated, felt_valence=-0.8, felt_arousal=-0.8, liked=False, playlist=playlist
    )
    after = order(playlist)
    assert result.rerank is not None
    assert result.rerank.changed
    assert after[:2] == before[:2]
    assert after != before
    assert len(after) == len(set(after)) == 10
    assert set(result.rerank.moved) == {a for a, b in zip(after, before, strict=True) if a != b}
    n_new = len(set(after) - set(before))
    moved = f"moved {len(result.rerank.moved) - n_new} songs" + (f" and replaced {n_new}" if n_new else "")
    assert result.rerank.sentence.startswith(f"Your rating of “{rated.title}” {moved}: ")
    assert (result.rating.playlist, result.rating.position) == (playlist, 2)


def test_ranking_again_without_news_changes_nothing(alice: User, make_songs: SongMaker) -> None:
    make_songs(30)
    listener = Listener(alice)
    playlist = playlists.playlist_create(listener=listener, target=HAPPY, length=10)
    before = order(playlist)
    feedback.listen_record(listener=listener, song=playlist.items.get(position=1).song, playlist=playlist)
    result = playlists.playlist_rerank(playlist=playlist, listener=listener)
    assert (result.changed, result.moved, result.sentence) == (False, (), "The rest does not change.")
    assert order(playlist) == before


def test_a_rated_song_counts_as_played_and_keeps_its_place(alice: User, make_songs: SongMaker) -> None:
    make_songs(20)
    playlist = playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=6)
    item = playlist.items.get(position=4)
    feedback.feedback_record(user=alice, song=item.song, felt_valence=-1, felt_arousal=-1, playlist=playlist)
    kept = playlist.items.get(position=4)
    assert kept.song_id == item.song_id
    assert kept.played_at is not None


def test_ranking_again_fills_a_list_that_was_short(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(3)
    playlist = playlists.playlist_create(listener=nobody, target=HAPPY, length=6)
    make_songs(9)
    playlists.playlist_rerank(playlist=playlist, listener=nobody)
    playlist.refresh_from_db()
    assert (len(order(playlist)), playlist.note) == (6, "")


def test_nobody_else_reranks_rates_in_or_plays_a_playlist(
    alice: User, bob: User, staff: User, nobody: Listener, make_songs: SongMaker
) -> None:
    song = make_songs(4)[0]
    playlist = playlists.playlist_create(listener=Listener(alice), target=HAPPY)
    for listener in (Listener(bob), Listener(staff), nobody, Listener(None)):
        with pytest.raises(PlaylistNotFoundError):
            selectors.playlist_visible(listener, playlist.pk)
        with pytest.raises(PlaylistNotFoundError):
            playlists.playlist_rerank(playlist=playlist, listener=listener)
        with pytest.raises(PlaylistNotFoundError):
            feedback.listen_record(listener=listener, song=song, playlist=playlist)
    with pytest.raises(PlaylistNotFoundError):
        feedback.feedback_record(user=bob, song=song, liked=True, playlist=playlist)
    assert not Listen.objects.exists()
    assert not FeltRating.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_devices_that_rate_at_once_leave_a_whole_list(alice: User, make_songs: SongMaker) -> None:
    make_songs(40, around=(0.3, 0.3), spread=0.6)
    playlist = playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=10)
    heard = [playlist.items.get(position=position).song for position in (1, 2)]
    for song in heard:
        feedback.listen_record(listener=Listener(alice), song=song, playlist=playlist)
    sad = partial(feedback.feedback_record, user=alice, felt_valence=-0.7, felt_arousal=0.1, playlist=playlist)
    results = together(*(partial(sad, song=song) for song in heard))
    assert not [result for result in results if isinstance(result, Exception)]
    assert list(playlist.items.values_list("position", flat=True)) == list(range(1, 11))
    assert order(playlist)[:2] == [song.pk for song in heard]
    assert FeltRating.objects.filter(listener=alice).count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_devices_that_answer_about_one_song_both_keep_their_answer(alice: User, make_songs: SongMaker) -> None:
    make_songs(20, around=(0.3, 0.3), spread=0.6)
    playlist = playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=8)
    song = playlist.items.get(position=1).song
    answers: list[dict[str, object]] = [
        {"felt_valence": -0.7, "felt_arousal": 0.1},
        {"liked": True},
        {"familiar": True},
        {"listened_s": 12.5},
    ]
    rate: Callable[..., object] = partial(feedback.feedback_record, user=alice, song=song, playlist=playlist)
    results = together(*(partial(rate, **answer) for answer in answers))
    assert not [result for result in results if isinstance(result, Exception)]
    rating = FeltRating.objects.get()
    assert (rating.felt_valence, rating.felt_arousal, rating.liked) == (-0.7, 0.1, True)
    assert (rating.familiar, rating.listened_s, rating.position) == (True, 12.5, 1)
    assert list(playlist.items.values_list("position", flat=True)) == list(range(1, 9))
    assert order(playlist)[0] == song.pk


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        ({"felt_valence": 0.1, "felt_arousal": 0.1, "liked": True}, "Your rating of"),
        ({"felt_nothing": True}, "Your rating of"),
        ({"liked": True}, "Your like of"),
        ({"liked": False}, "Your dislike of"),
        ({"skipped": True}, "Your skip of"),
    ],
)
def test_the_sentence_names_what_was_done(
    alice: User, make_songs: SongMaker, answers: dict[str, bool], cause: str
) -> None:
    make_songs(20)
    playlist = playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=6)
    song = playlist.items.get(position=1).song
    result = feedback.feedback_record(user=alice, song=song, playlist=playlist, **answers)  # type: ignore[arg-type]
    assert result.rerank is not None
    assert result.rerank.sentence.startswith(f"{cause} “{song.title}”")
    undone = feedback.feedback_withdraw(user=alice, song=song, playlist=playlist)
    assert undone is not None
    assert undone.sentence.startswith(f"Your withdrawn rating of “{song.title}”")
    assert feedback.feedback_withdraw(user=alice, song=song, playlist=playlist) is None


def test_a_rating_knows_the_target_of_its_place(alice: User, make_songs: SongMaker) -> None:
    first, other = make_songs(2)
    playlist = playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=1)
    inside = playlist.items.get().song
    outside = other if inside == first else first
    rating = feedback.feedback_record(user=alice, song=inside, liked=True, playlist=playlist).rating
    assert (rating.position, rating.target_valence, rating.target_arousal) == (1, *HAPPY.point)
    rating = feedback.feedback_record(user=alice, song=outside, liked=True, playlist=playlist).rating
    assert (rating.position, rating.target_valence) == (None, None)


def felt_url(song: Song, what: str = "felt") -> str:
    return reverse(f"recommender:song_{what}", args=[song.pk])


def liked(client: Client, song: Song) -> bool | None:
    answer: bool | None = client.get(felt_url(song)).json()["values"]["liked"]
    return answer


def like(client: Client, song: Song, **values: object) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(felt_url(song), {"liked": "yes", **values}, headers=JSON).json()
    return answer


def unlike(client: Client, song: Song, **values: object) -> dict[str, Any]:
    url = felt_url(song, "felt_withdraw")
    answer: dict[str, Any] = client.post(url, {"only": "liked", **values}, headers=JSON).json()
    return answer


def test_a_like_is_stored_shown_to_its_listener_alone_and_withdrawn(
    client_alice: Client, client_bob: Client, alice: User, make_songs: SongMaker
) -> None:
    song = make_songs(1)[0]
    assert liked(client_alice, song) is None
    answer = like(client_alice, song)
    assert (answer["saved"], answer["sentence"], answer["values"]["liked"]) == (True, "Saved.", True)
    assert FeltRating.objects.get(listener=alice, song=song).liked is True
    assert (liked(client_alice, song), liked(client_bob, song)) == (True, None)
    unlike(client_bob, song)
    assert liked(client_alice, song) is True
    assert unlike(client_alice, song)["values"]["liked"] is None
    assert not FeltRating.objects.exists()
    # Twice is no fault.
    assert unlike(client_alice, song)["saved"] is True


def test_taking_a_like_back_leaves_what_was_felt_and_is_undone(
    client_alice: Client, alice: User, make_songs: SongMaker
) -> None:
    song = make_songs(1)[0]
    RatingFactory(listener=alice, song=song, felt_valence=0.5, felt_arousal=None, liked=None, familiar=True)
    like(client_alice, song)
    undo = unlike(client_alice, song)["undo"]
    rating = FeltRating.objects.get()
    assert (rating.felt_valence, rating.felt_arousal, rating.familiar, rating.liked) == (0.5, None, True, None)
    assert client_alice.post(undo["url"], {"undo": undo["token"]}, headers=JSON).json()["values"]["liked"] is True


def test_in_a_playlist_the_answer_says_whether_the_rest_changed(
    client_alice: Client, client_bob: Client, alice: User, make_songs: SongMaker
) -> None:
    make_songs(12)
    playlist = playlists.playlist_create(listener=Listener(user=alice), target=Target.of_point(0.6, 0.6), length=8)
    song = playlist.items.all()[0].song
    assert bool(like(client_alice, song, playlist=playlist.pk)["reranked"]) is True
    assert FeltRating.objects.get().playlist == playlist
    assert unlike(client_alice, song, playlist=playlist.pk)["reranked"]
    url = felt_url(song)
    assert client_bob.post(url, {"liked": "yes", "playlist": playlist.pk}, headers=JSON).status_code == 404
    assert not FeltRating.objects.exists()


def test_a_visitors_likes_are_stored_until_they_sign_in(
    client: Client, alice: User, password: str, make_songs: SongMaker
) -> None:
    first, second = make_songs(2)
    answer = like(client, first)
    assert (answer["saved"], answer["sign_in"], answer["values"]["liked"]) == (False, True, True)
    assert not answer["sentence"].startswith("Saved")
    like(client, second)
    assert unlike(client, second)["values"]["liked"] is None
    assert (liked(client, first), liked(client, second)) == (True, None)
    client.post(reverse("accounts:login"), {"username": alice.username, "password": password})
    assert list(FeltRating.objects.values_list("listener", "song", "liked")) == [(alice.pk, first.pk, True)]


@pytest.mark.django_db
def test_nonsense_is_refused_in_words(client_alice: Client, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    for what, values in (("felt", {"liked": "maybe"}), ("felt_withdraw", {"only": "song_id"})):
        answer = client_alice.post(felt_url(song, what), values, headers=JSON)
        assert (answer.status_code, answer.json()["saved"]) == (400, False)
        assert answer.json()["sentence"]
    assert client_alice.get(reverse("recommender:song_felt", args=[4711])).status_code == 404
    assert client_alice.put(felt_url(song)).status_code == 405
