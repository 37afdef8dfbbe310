"""An override counts, outlives models, and never loses the model's answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings
from scipy.stats import truncnorm

from catalog.exceptions import EditConflictError, TooManySongsError
from catalog.models import Song, SongChange
from emotion.inference.predict import Prediction
from emotion.inference.quadrants import Quadrant
from emotion.jobs.reanalysis import _estimates_adopt
from emotion.library import services as library_services
from emotion.library.services import Override, library_edit, library_seen, library_undo, overrides_on
from emotion.models import EFFECTIVE, UNKNOWN_SD, EmotionEstimate
from emotion.services import analysis, labels
from emotion.signals import song_analysed
from recommender.index.songs import microseconds
from recommender.reasons.reasons import public_reason
from recommender.requests import NO_FILTERS
from recommender.retrieval import estimates_playable, rows_state, song_rows, written_at
from recommender.selectors import quadrant_counts, songs_browse
from tests.audio_fixtures import make_audio
from tests.factories import EstimateFactory, SongFactory
from training.selectors import listeners_agreement

pytestmark = pytest.mark.django_db

CALM = Override(Quadrant.Q4, "Slow and warm")
MODELS_OWN = Override(None)


def say(user: User, songs: list[Song], override: Override, **values: Any) -> SongChange:
    change = library_edit(song_ids=[song.pk for song in songs], values=values, override=override, editor=user)
    assert change is not None
    return change


def served(song: Song) -> EmotionEstimate:
    estimate: EmotionEstimate = EmotionEstimate.objects.with_effective().get(song=song, is_current=True)
    return estimate


def effective(estimate: EmotionEstimate) -> tuple[float, ...]:
    return tuple(getattr(estimate, name) for name in EFFECTIVE)


def models_own(estimate: EmotionEstimate) -> tuple[object, ...]:
    return estimate.quadrant, estimate.valence, estimate.arousal, estimate.probabilities, estimate.updated_at


def test_the_override_counts_and_the_point_moves_inside(cleo: User) -> None:
    estimate = EstimateFactory(quadrant=Quadrant.Q1, confidence=0.7, valence_sd=0.3, arousal_sd=0.3)
    before = estimate.valence, estimate.arousal

    say(cleo, [estimate.song], CALM)

    now = served(estimate.song)
    assert now.effective_arousal == pytest.approx(-0.12, abs=0.02)
    assert effective(now) == (Quadrant.Q4, before[0], now.effective_arousal, 1.0, True)
    assert (now.quadrant, now.valence, now.arousal) == (Quadrant.Q1.value, *before)
    assert now.confidence == pytest.approx(0.7)
    assert models_own(now) == models_own(estimate)
    row = estimate.song.overrides.get()
    assert (row.quadrant, row.before, row.was_set, row.note) == (Quadrant.Q4, Quadrant.Q1, False, "Slow and warm")
    assert row.change.made_by == cleo


def test_taking_the_word_back_brings_the_models_own_back(cleo: User) -> None:
    estimate = EstimateFactory(quadrant=Quadrant.Q2)
    say(cleo, [estimate.song], CALM)
    say(cleo, [estimate.song], Override(Quadrant.Q3))

    say(cleo, [estimate.song], MODELS_OWN)

    now = served(estimate.song)
    assert effective(now) == (Quadrant.Q2, estimate.valence, estimate.arousal, estimate.confidence, False)
    assert models_own(now) == models_own(estimate)
    changes = [(row.before, row.was_set, row.quadrant) for row in estimate.song.overrides.order_by("pk")]
    assert changes == [(2, False, 4), (4, True, 3), (3, True, None)]
    assert library_edit(song_ids=[estimate.song_id], values={}, override=MODELS_OWN, editor=cleo) is None


def test_a_word_outlives_the_next_analysis_and_other_models(settings: Settings, small_model: Path, cleo: User) -> None:
    song = SongFactory(state=Song.State.QUEUED)
    make_audio(Path(settings.MEDIA_ROOT) / str(song.audio.name), 6.0, codec="ogg", seed=3)
    older = EstimateFactory(song=song, model_version="older", quadrant=Quadrant.Q1)
    (heard,) = analysis.predictor_get().predict([Path(song.audio.path)])
    assert isinstance(heard, Prediction)
    said = next(quadrant for quadrant in Quadrant if quadrant is not heard.quadrant)
    say(cleo, [song], Override(said))

    assert analysis.songs_analyse() == [song.pk]
    first = served(song)
    assert (first.model_version, first.effective_quadrant, first.is_overridden) == ("small-1", said, True)
    # The new model's numbers are its own.
    assert first.quadrant == heard.quadrant
    assert (first.valence, first.arousal) == pytest.approx((heard.valence, heard.arousal))
    # Once more by the same model: it stays what the model says, not what counts.
    Song.objects.update(state=Song.State.QUEUED)
    analysis.songs_analyse()
    again = served(song)
    assert (again.quadrant, again.valence, again.effective_quadrant) == (first.quadrant, first.valence, said)
    # The older model is live again.
    _estimates_adopt("older")
    assert (served(song).pk, served(song).quadrant, served(song).effective_quadrant) == (older.pk, 1, said)
    # The override was taken back while another model served: its estimate comes back without it.
    say(cleo, [song], MODELS_OWN)
    _estimates_adopt("small-1")
    assert (served(song).is_overridden, served(song).effective_quadrant) == (False, heard.quadrant)


def test_a_word_on_a_song_without_a_tag_waits_for_it(settings: Settings, small_model: Path, cleo: User) -> None:
    song = SongFactory(state=Song.State.QUEUED)
    make_audio(Path(settings.MEDIA_ROOT) / str(song.audio.name), 6.0, codec="ogg", seed=3)
    say(cleo, [song], CALM)
    assert song.overrides.get().before is None

    analysis.songs_analyse()
    assert (served(song).effective_quadrant, served(song).is_overridden) == (Quadrant.Q4, True)


def test_undo_leaves_later_overrides_alone(cleo: User, staff: User) -> None:
    one, two = EstimateFactory(quadrant=Quadrant.Q1), EstimateFactory(quadrant=Quadrant.Q1)
    say(cleo, [one.song], Override(Quadrant.Q2))
    change = say(cleo, [one.song, two.song], CALM, genre="Folk")
    say(staff, [two.song], Override(Quadrant.Q3))

    kept = library_undo(change=change, editor=staff)

    assert kept == {two.song_id: ["quadrant"]}
    assert overrides_on([one.song_id, two.song_id]) == {one.song_id: 2, two.song_id: 3}
    assert [served(each.song).effective_quadrant for each in (one, two)] == [2, 3]
    assert set(Song.objects.values_list("genre", flat=True)) == {"Rock"}
    assert library_undo(change=change, editor=staff) == {}


def test_undo_of_the_first_word_is_the_models_own(cleo: User) -> None:
    estimate = EstimateFactory(quadrant=Quadrant.Q1)
    change = say(cleo, [estimate.song], CALM)
    library_undo(change=change, editor=cleo)
    assert (served(estimate.song).effective_quadrant, served(estimate.song).is_overridden) == (Quadrant.Q1, False)
    assert models_own(served(estimate.song)) == models_own(estimate)


def test_nobody_overrides_a_word_that_they_have_not_seen(cleo: User, staff: User) -> None:
    song = EstimateFactory().song
    songs = list(Song.objects.select_related("artist", "album"))
    seen = library_seen(songs)
    say(staff, [song], Override(Quadrant.Q2))
    with pytest.raises(EditConflictError) as caught:
        library_edit(song_ids=[song.pk], values={"genre": "Folk"}, override=CALM, editor=cleo, seen=seen)
    assert caught.value.fields == ["quadrant"]
    assert not Song.objects.filter(genre="Folk").exists()
    # Another selection than the one that was looked at is noticed too.
    EstimateFactory()
    ids = Song.objects.values_list("pk", flat=True)
    with pytest.raises(EditConflictError):
        library_edit(song_ids=list(ids), values={"genre": "Folk"}, editor=cleo, seen=seen)


def test_there_is_a_limit(cleo: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_services, "MAX_SONGS", 2)
    with pytest.raises(TooManySongsError, match="At most 2 songs"):
        library_edit(song_ids=[1, 2, 3], values={"genre": "Folk"}, editor=cleo)


@pytest.mark.django_db(transaction=True)
def test_the_index_sees_the_change_and_so_do_reasons(cleo: User) -> None:
    estimate = EstimateFactory(quadrant=Quadrant.Q1)
    other = EstimateFactory(quadrant=Quadrant.Q1)
    heard: list[list[int]] = []
    before = rows_state()

    def listener(song_ids: list[int], **_: object) -> None:
        heard.append(song_ids)

    song_analysed.connect(listener)
    try:
        say(cleo, [estimate.song], CALM)
        library_edit(song_ids=[other.song_id], values={"genre": "Folk"}, editor=cleo)
    finally:
        song_analysed.disconnect(listener)

    assert heard == [[estimate.song_id], [other.song_id]]
    written = written_at([estimate.song_id, other.song_id], NO_FILTERS, [])
    for each in (estimate, other):
        assert served(each.song).updated_at == each.updated_at
        assert written[each.song_id] > microseconds(each.updated_at)
    assert rows_state().fingerprint != before.fingerprint
    row, plain = song_rows(estimates_playable().order_by("song_id"))
    assert (row.quadrant, row.confidence) == (4, 1.0)
    assert plain.confidence == pytest.approx(0.7)
    assert public_reason(Quadrant(row.quadrant), row.confidence) == "Calm and positive, set by a curator."


def test_what_counts_can_be_filtered_ordered_and_counted(cleo: User) -> None:
    happy, tense, calm = (EstimateFactory(quadrant=q).song for q in (Quadrant.Q1, Quadrant.Q2, Quadrant.Q4))
    # An override without an estimate counts nothing, and older estimates of another model count once.
    untagged = SongFactory()
    EstimateFactory(song=happy, is_current=False, model_version="older", quadrant=Quadrant.Q1)
    say(cleo, [happy, untagged], Override(Quadrant.Q3))
    say(cleo, [calm], CALM)

    current = EmotionEstimate.objects.filter(is_current=True).with_effective()
    ids = current.values_list("song_id", flat=True)
    assert list(ids.filter(effective_quadrant=3)) == [happy.pk]
    assert list(ids.order_by("effective_arousal", "pk")) == [calm.pk, happy.pk, tense.pk]
    assert list(ids.order_by("-effective_confidence", "pk")) == [happy.pk, calm.pk, tense.pk]
    assert set(ids.filter(is_overridden=True)) == {happy.pk, calm.pk}
    counts = {Quadrant.Q1: 0, Quadrant.Q2: 1, Quadrant.Q3: 1, Quadrant.Q4: 1}
    assert quadrant_counts() == counts
    for quadrant in Quadrant:
        songs = songs_browse(quadrant=quadrant)
        assert len(songs) == counts[quadrant] == len(list(songs))
        assert {song.pk for song in songs} == set(ids.filter(effective_quadrant=quadrant.value))
    for annotated in current:
        assert effective(annotated) == effective(EmotionEstimate.objects.get(pk=annotated.pk))


@pytest.mark.parametrize("said", Quadrant)
@pytest.mark.parametrize("modelled", Quadrant)
def test_the_point_that_counts_is_the_mean_of_the_density_in_the_quadrant(
    cleo: User, modelled: Quadrant, said: Quadrant
) -> None:
    estimate = EstimateFactory(quadrant=modelled, valence_sd=0.2, arousal_sd=0.4)
    say(cleo, [estimate.song], Override(said))
    now = served(estimate.song)
    for axis, side in zip(("valence", "arousal"), said.corner, strict=True):
        mean, sd = getattr(estimate, axis), getattr(estimate, f"{axis}_sd")
        counted = getattr(now, f"effective_{axis}")
        if mean * side > 0:
            assert counted == mean
        else:
            bounds = sorted((-mean / sd, side * np.inf))
            assert counted == pytest.approx(truncnorm.mean(*bounds, loc=mean, scale=sd), rel=0.12)
    assert Quadrant.from_valence_arousal(now.effective_valence, now.effective_arousal) == said


def test_an_estimate_of_before_its_uncertainty_was_stored_can_be_overridden(cleo: User) -> None:
    estimate = EstimateFactory(quadrant=Quadrant.Q1, valence=0.1, arousal=0.5)
    assert estimate.valence_sd is None
    say(cleo, [estimate.song], Override(Quadrant.Q2))
    now = served(estimate.song)
    assert now.effective_valence == pytest.approx(-(np.sqrt(0.1**2 + 8 * UNKNOWN_SD**2) - 0.1) / 4)
    assert now.effective_arousal == 0.5


def test_agreement_with_people_uses_the_model_s_estimates(cleo: User, alice: User) -> None:
    song = EstimateFactory(quadrant=Quadrant.Q1).song
    labels.perceived_label_set(user=alice, song=song, quadrant=Quadrant.Q4)
    say(cleo, [song], CALM)
    assert listeners_agreement().agreeing == 0
    # An override is no label: the next model learns from labels alone.
    assert song.perceived_labels.count() == 1
