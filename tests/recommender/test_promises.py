"""What lists and journeys promise, with the shipped model's estimates of real songs."""

from __future__ import annotations

import pytest

from recommender.management.commands import playlists_check
from recommender.models import DEFAULT_VARIETY
from tests.recommender.real_songs import SOURCES, make_real_songs

CATALOGS = [("demo",), ("catalog",), ("emotify",), SOURCES]


@pytest.mark.parametrize("sources", CATALOGS, ids="+".join)
@pytest.mark.parametrize("variety", [0.0, DEFAULT_VARIETY])
def test_lists_and_journeys_keep_their_promises(db: None, sources: tuple[str, ...], variety: float) -> None:
    make_real_songs(*sources)
    lists, journeys = list(playlists_check.lists(variety)), list(playlists_check.journeys(variety))
    print(*lists, *journeys, sep="\n")
    assert [str(result) for result in (*lists, *journeys) if not result.is_kept] == []
    assert [str(result) for result in journeys if result.arrived is not result.end] == []
    assert len(journeys) == 12
