"""What people say that a song expresses: their own, one each, to be changed and taken back."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from catalog.models import Song
from emotion.exceptions import LabelInvalidError
from emotion.inference.quadrants import Quadrant
from emotion.models import PerceivedLabel
from emotion.services import labels
from tests.factories import EstimateFactory, SongFactory

pytestmark = pytest.mark.django_db

LABELS = "/api/v1/labels/"


@pytest.fixture
def song() -> Song:
    """A tagged song."""
    return EstimateFactory().song


def url(song: Song) -> str:
    return reverse("emotion:song_perceived", args=[song.pk])


def panel(answer: Any) -> str:
    """The part of the song page that asks what the song expresses."""
    return str(answer.content.decode()).partition('<details class="perceived-label"')[2].partition("</details>")[0]


def test_a_second_answer_replaces_the_first_point_included(alice: User, song: Song) -> None:
    labels.perceived_label_set(user=alice, song=song, quadrant=Quadrant.Q4, valence=0.5, arousal=-0.5)
    labels.perceived_label_set(user=alice, song=song, quadrant=Quadrant.Q3)
    label = PerceivedLabel.objects.get()
    assert (label.quadrant, label.valence, label.arousal) == (3, None, None)
    labels.perceived_label_remove(user=alice, song=song)
    labels.perceived_label_remove(user=alice, song=song)
    assert not PerceivedLabel.objects.exists()


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"valence": 0.5}, "one of them is missing"),
        ({"valence": 1.5, "arousal": -0.5}, "The valence is 1.5; it must lie between -1 and 1"),
        ({"valence": float("nan"), "arousal": -0.5}, "The valence is nan"),
        ({"valence": 0.5, "arousal": 0.5}, r"Q4 \(Calm\) is A-V\+, but the arousal given is 0.5"),
    ],
)
def test_a_point_that_says_half_or_contradicts_is_refused(
    alice: User, song: Song, point: dict[str, float], sentence: str
) -> None:
    with pytest.raises(LabelInvalidError, match=sentence):
        labels.perceived_label_set(user=alice, song=song, quadrant=Quadrant.Q4, **point)
    assert not PerceivedLabel.objects.exists()


def test_the_table_holds_one_label_per_person_and_song(alice: User, song: Song) -> None:
    PerceivedLabel.objects.create(rater=alice, song=song, quadrant=1)
    with pytest.raises(IntegrityError):
        PerceivedLabel.objects.create(rater=alice, song=song, quadrant=2)


def test_the_song_page_asks_and_shows_only_ones_own_answer(
    client_alice: Client, client_bob: Client, client: Client, song: Song
) -> None:
    page = reverse("recommender:song_detail", args=[song.pk])
    assert client_alice.post(url(song), {"quadrant": "4"})["Location"] == page
    mine = panel(client_alice.get(page))
    assert "Your answer: calm." in mine
    assert mine.count('aria-pressed="true"') == 1
    theirs = panel(client_bob.get(page))
    assert "What does this song express?" in theirs
    assert 'aria-pressed="true"' not in theirs
    assert "Sign in to answer" in panel(client.get(page))


def test_a_fragment_is_answered_with_the_panel_and_undo_works(client_alice: Client, song: Song) -> None:
    htmx = {"HX-Request": "true"}
    said = client_alice.post(url(song), {"quadrant": "1"}, headers=htmx).content.decode()
    assert said.lstrip().startswith('<details class="perceived-label"')
    assert "Your answer: happy." in said
    undone = client_alice.post(url(song), {"quadrant": ""}, headers=htmx).content.decode()
    assert "Your answer" not in undone
    assert not PerceivedLabel.objects.exists()
    wrong = client_alice.post(url(song), {"quadrant": "7"}, headers=htmx).content.decode()
    assert "Choose one of the four quadrants." in wrong


def test_who_is_not_signed_in_is_sent_there_and_back(client: Client, song: Song) -> None:
    answer = client.post(url(song), {"quadrant": "1"})
    assert answer.status_code == 302
    assert answer["Location"] == f"/accounts/login/?next=/songs/{song.pk}/"
    assert not PerceivedLabel.objects.exists()
    assert client.get(url(song)).status_code == 405
    assert client.post(reverse("emotion:song_perceived", args=[0]), {"quadrant": "1"}).status_code == 404


def test_the_api_keeps_labels_apart(
    api_alice: APIClient, api_bob: APIClient, api_cleo: APIClient, api_anonymous: APIClient, song: Song
) -> None:
    made = api_alice.post(LABELS, {"song": song.pk, "quadrant": "Q2", "valence": -0.4, "arousal": 0.8})
    assert made.status_code == 200, made.json()
    label = made.json()
    assert (label["song"], label["quadrant"], label["arousal"]) == (song.pk, "Q2", 0.8)
    assert api_alice.get(LABELS).json()["count"] == 1
    for stranger in (api_bob, api_cleo):
        assert stranger.get(LABELS).json()["count"] == 0
        assert stranger.get(f"{LABELS}{label['id']}/").status_code == 404
        assert stranger.delete(f"{LABELS}{label['id']}/").status_code == 404
    for answer in (api_anonymous.get(LABELS), api_anonymous.post(LABELS, {"song": song.pk, "quadrant": "Q1"})):
        assert answer.status_code == 401
    assert api_alice.get(f"{LABELS}{label['id']}/").json() == label
    assert api_alice.delete(f"{LABELS}{label['id']}/").status_code == 204
    assert not PerceivedLabel.objects.exists()


def test_the_api_says_what_is_wrong(api_alice: APIClient, song: Song) -> None:
    contradiction = api_alice.post(LABELS, {"song": song.pk, "quadrant": "Q2", "valence": 0.4, "arousal": 0.8})
    assert (contradiction.status_code, contradiction.json()["code"]) == (400, "label_invalid")
    unknown = api_alice.post(LABELS, {"song": song.pk, "quadrant": "Q5"})
    assert (unknown.status_code, list(unknown.json()["errors"])) == (400, ["quadrant"])
    assert api_alice.post(LABELS, {"song": 0, "quadrant": "Q1"}).status_code == 400


def test_labels_go_with_the_person_and_with_the_song(alice: User, bob: User) -> None:
    songs = SongFactory.create_batch(2)
    for user in (alice, bob):
        for song in songs:
            labels.perceived_label_set(user=user, song=song, quadrant=Quadrant.Q1)
    alice.delete()
    songs[0].delete()
    assert [(label.rater, label.song) for label in PerceivedLabel.objects.all()] == [(bob, songs[1])]
