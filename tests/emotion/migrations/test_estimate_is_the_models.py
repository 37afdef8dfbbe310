"""Overrides that overwrote estimates move out of them, and back; what counts stays what it was."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from emotion.models import EFFECTIVE, UNKNOWN_SD, EmotionEstimate, QuadrantOverride

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [("emotion", "0007_jobs"), ("catalog", "0007_song_is_a_job")]
SAID_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNDONE_AT = SAID_AT + timedelta(hours=1)
WRITTEN_AT = SAID_AT + timedelta(hours=2)


def migrate(targets: list[tuple[str, str]]) -> StateApps:
    executor = MigrationExecutor(connection)
    return executor.migrate(targets).apps


def migrate_to_newest() -> None:
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())


@pytest.fixture
def old() -> Iterator[StateApps]:
    """The models as they were before."""
    try:
        yield migrate(BEFORE)
    finally:
        migrate_to_newest()


class Rows:
    """Makes rows of the old schema as the code of then did."""

    def __init__(self, apps: StateApps) -> None:
        self._apps = apps
        self.artist = self.make("catalog", "Artist", name="Ann", name_key="ann")
        self.n_songs = 0

    def make(self, app: str, model: str, **values: Any) -> Any:
        return self._apps.get_model(app, model).objects.create(**values)

    def song(self) -> Any:
        self.n_songs += 1
        plain = {"mime_type": "audio/ogg", "size_bytes": 1, "duration_s": 1.0, "sample_rate_hz": 22050, "channels": 1}
        key = f"{self.n_songs:064}"
        return self.make("catalog", "Song", title=key, artist=self.artist, content_hash=key, audio=key, **plain)

    def estimate(self, song: Any, *, version: str = "one", is_current: bool = True, **values: Any) -> int:
        odds = {"p_q1": 0.7, "p_q2": 0.1, "p_q3": 0.1, "p_q4": 0.1}
        timing = {"decode_ms": 1.0, "mel_ms": 1.0, "network_ms": 1.0}
        heard = {"engine": "torch", "device": "cpu", "embedding_bytes": b"", "window_start_s": 0.0, "window_s": 9.0}
        fields = odds | timing | heard | values
        row = self.make("emotion", "EmotionEstimate", song=song, model_version=version, is_current=is_current, **fields)
        self._apps.get_model("emotion", "EmotionEstimate").objects.filter(pk=row.pk).update(
            updated_at=WRITTEN_AT, heard_at=SAID_AT
        )
        return int(row.pk)

    def override(self, song: Any, quadrant: int | None, *, is_current: bool = True, undone: bool = False) -> int:
        change = self.make("catalog", "SongChange", n_songs=1)
        undone_at = UNDONE_AT if undone else None
        self._apps.get_model("catalog", "SongChange").objects.filter(pk=change.pk).update(
            made_at=SAID_AT, undone_at=undone_at
        )
        made = self.make(
            "emotion", "QuadrantOverride", song=song, change=change, quadrant=quadrant, is_current=is_current
        )
        return int(made.pk)


MODEL = {"quadrant": 1, "valence": 0.8, "arousal": 0.6}
SERVED = {"quadrant": 3, "valence": -0.01, "arousal": -0.01}
HEARD = {"heard_quadrant": 1, "heard_valence": 0.8, "heard_arousal": 0.6}


def model_of(estimate_id: int) -> tuple[Any, ...]:
    return EmotionEstimate.objects.values_list("quadrant", "valence", "arousal").get(pk=estimate_id)


def effective_of(estimate_id: int) -> tuple[Any, ...]:
    return EmotionEstimate.objects.with_effective().values_list(*EFFECTIVE).get(pk=estimate_id)


def below(coordinate: float) -> Any:
    """What counts on an axis of which a curator chose the low side; the rule changed after these migrations."""
    return pytest.approx((coordinate - math.sqrt(coordinate**2 + 8 * UNKNOWN_SD**2)) / 4)


def test_estimates_are_the_models_again_and_what_counts_stays(old: StateApps) -> None:
    rows = Rows(old)
    plain = rows.estimate(rows.song(), **MODEL)
    song = rows.song()
    overridden, said = rows.estimate(song, **SERVED, **HEARD), rows.override(song, 3)
    song = rows.song()
    undone, was_said = rows.estimate(song, **MODEL), rows.override(song, 3, is_current=False, undone=True)
    # The word came first: the estimate that followed was overwritten when it was made.
    song = rows.song()
    rows.override(song, 4)
    waited = rows.estimate(song, quadrant=4, valence=0.8, arousal=-0.01, **HEARD)
    # The older model's estimate was overwritten while it was current, and so is the new one's.
    song = rows.song()
    rows.override(song, 3)
    retired = rows.estimate(song, version="zero", is_current=False, **SERVED, **HEARD)
    heard = {"heard_quadrant": 2, "heard_valence": -0.5, "heard_arousal": 0.4}
    again = rows.estimate(song, quadrant=3, valence=-0.5, arousal=-0.01, **heard)
    # A word was taken back by another: the model's own serves again.
    song = rows.song()
    rows.override(song, 3, is_current=False)
    back = rows.estimate(song, **MODEL)
    rows.override(song, None)
    # A word on a song that has no tag yet.
    rows.override(rows.song(), 2)

    migrate_to_newest()

    for estimate in (plain, overridden, undone, waited, retired, back):
        assert model_of(estimate) == (1, 0.8, 0.6)
    assert model_of(again) == (2, -0.5, 0.4)
    for estimate in (plain, undone, back):
        assert effective_of(estimate) == (1, 0.8, 0.6, 0.7, False)
    assert effective_of(overridden) == (3, below(0.8), below(0.6), 1.0, True)
    assert effective_of(waited) == (4, 0.8, below(0.6), 1.0, True)
    assert effective_of(again) == (3, -0.5, below(0.4), 1.0, True)
    assert set(EmotionEstimate.objects.values_list("updated_at", "analysed_at")) == {(WRITTEN_AT, SAID_AT)}
    dates = dict(QuadrantOverride.objects.values_list("pk", "changed_at"))
    assert (dates[said], dates[was_said]) == (SAID_AT, UNDONE_AT)
    assert QuadrantOverride.objects.filter(is_current=True).count() == 5


def test_it_can_be_taken_back(old: StateApps) -> None:
    rows = Rows(old)
    song = rows.song()
    overridden, plain = rows.estimate(song, **SERVED, **HEARD), rows.estimate(rows.song(), **MODEL)
    rows.override(song, 3)
    migrate_to_newest()

    estimates = migrate(BEFORE).get_model("emotion", "EmotionEstimate").objects

    def stored(estimate_id: int) -> dict[str, Any]:
        return dict(estimates.values("quadrant", "valence", "arousal", *HEARD).get(pk=estimate_id))

    assert stored(overridden) == SERVED | HEARD
    assert stored(plain) == MODEL | dict.fromkeys(HEARD)
