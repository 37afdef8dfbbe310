"""What all listeners have in common: learned from rows, stored, used, and never mixed up."""

from __future__ import annotations

import json

import numpy as np
import pytest
from django.core.management import call_command

from recommender.felt_model.model import Prior
from recommender.listener import current_prior
from recommender.models import FeltPrior, FeltRating
from recommender.services.priors import MIN_LISTENERS, prior_learn
from recommender.tasks import prior_learn as prior_learn_task
from tests.factories import UserFactory
from tests.recommender.conftest import SongMaker


def rate_everything(make_songs: SongMaker, n_listeners: int, lower: float = 0.4) -> None:
    """Let listeners feel every song calmer than it sounds, each a little differently."""
    songs = make_songs(12)
    rng = np.random.default_rng(0)
    for _ in range(n_listeners):
        user = UserFactory()
        for song in songs:
            estimate = song.estimates.get()
            FeltRating.objects.create(
                listener=user,
                song=song,
                felt_valence=estimate.valence,
                felt_arousal=max(-1.0, estimate.arousal - lower + rng.normal(0, 0.05)),
            )


def test_without_ratings_the_prior_is_that_of_a_new_installation(db: None) -> None:
    assert current_prior().as_json() == Prior.default().as_json()
    assert prior_learn(anyway=True) is None


def test_too_few_listeners_teach_nothing(make_songs: SongMaker) -> None:
    rate_everything(make_songs, MIN_LISTENERS - 1)
    assert prior_learn(anyway=True) is None
    assert not FeltPrior.objects.exists()


def test_what_all_feel_alike_becomes_where_a_new_listener_starts(make_songs: SongMaker) -> None:
    rate_everything(make_songs, 12)
    learned = prior_learn()
    assert learned is not None
    assert (learned.n_listeners, learned.n_ratings) == (12, 144)
    sounds = np.array([1.0, 0.0, 0.0, 0.0, 0.6, 0.6])
    assert sounds @ current_prior().mean[1] == pytest.approx(0.2, abs=0.1)
    assert sounds @ current_prior().mean[0] == pytest.approx(0.6, abs=0.1)


def test_it_is_learned_again_only_when_there_is_more_to_learn_from(make_songs: SongMaker) -> None:
    rate_everything(make_songs, 6)
    prior_learn_task()
    prior_learn_task()
    assert FeltPrior.objects.count() == 1
    rate_everything(make_songs, 2)
    prior_learn_task()
    assert FeltPrior.objects.count() == 2
    assert FeltPrior.objects.filter(is_current=True).count() == 1
    assert FeltPrior.objects.get(is_current=True).n_listeners == 8


def test_what_was_taken_back_is_forgotten(make_songs: SongMaker) -> None:
    rate_everything(make_songs, 6)
    prior_learn_task()
    FeltRating.objects.order_by("id")[0].delete()
    prior_learn_task()
    assert FeltPrior.objects.get(is_current=True).n_ratings == 71
    FeltRating.objects.all().delete()
    prior_learn_task()
    assert not FeltPrior.objects.exists()


def test_a_prior_that_cannot_be_read_is_not_used(db: None) -> None:
    broken = json.loads(json.dumps(Prior.default().as_json() | {"noise": [[0, 0], [0, 0]]}))
    FeltPrior.objects.create(parameters=broken, model_version="m", n_listeners=9, n_ratings=99)
    assert current_prior().as_json() == Prior.default().as_json()


def test_the_command_says_what_it_did(make_songs: SongMaker, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("prior_learn")
    assert "Too few ratings" in capsys.readouterr().out
    rate_everything(make_songs, 5)
    call_command("prior_learn")
    assert "60 ratings of 5 listeners" in capsys.readouterr().out
