"""What lists and journeys promise, with the shipped model's estimates of real songs."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from catalog.models import PossibleDuplicate
from emotion.inference.quadrants import Quadrant
from recommender.generate import generate
from recommender.management.commands import playlists_check
from recommender.models import DEFAULT_VARIETY
from recommender.requests import Listener, PlaylistRequest, Target, journey_request
from recommender.retrieval import recordings_of, retrieve, songs_index
from tests.recommender.real_songs import SOURCES, make_real_songs

CATALOGS = [("demo",), ("catalog",), ("emotify",), SOURCES]


@pytest.mark.parametrize("sources", CATALOGS, ids="+".join)
@pytest.mark.parametrize("variety", [0.0, DEFAULT_VARIETY])
def test_lists_and_journeys_keep_their_promises(db: None, sources: tuple[str, ...], variety: float) -> None:
    make_real_songs(*sources)
    lists, journeys = list(playlists_check.lists(variety)), list(playlists_check.journeys(variety))
    print(*lists, *journeys, sep="\n")
    assert [str(result) for result in lists if not result.is_kept] == []
    assert [str(result) for result in journeys if not result.is_kept] == []
    assert [str(result) for result in journeys if result.arrived is not result.end] == []
    assert len(journeys) == 12


def test_the_command_prints_every_result_and_fails_when_a_promise_is_broken(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="No songs have been analysed yet"):
        call_command("playlists_check")
    make_real_songs("demo")
    printed = StringIO()
    call_command("playlists_check", stdout=printed)
    assert len(printed.getvalue().splitlines()) == 2 * (4 + 12)
    monkeypatch.setattr(playlists_check, "ENOUGH_OPENERS", 13)
    with pytest.raises(CommandError, match="promises are broken"):
        call_command("playlists_check", stdout=printed)
    assert "BROKEN: Happy" in printed.getvalue()


def test_two_copies_of_a_recording_never_come_together(db: None) -> None:
    """Rock 72 and 75 of Emotify are one recording; of the demo songs the two most alike are not."""
    songs = {song.title: song for song in make_real_songs("demo")}
    copies = [song for song in make_real_songs("emotify") if song.title == "Long Way Down"]
    pool = retrieve(songs_index(), (), always=[song.pk for song in (*songs.values(), *copies)])
    recordings = dict(zip(pool.song_ids.tolist(), recordings_of(pool).tolist(), strict=True))
    assert recordings[copies[0].pk] == recordings[copies[1].pk]
    alike = [recordings[songs[title].pk] for title in ("Tangerine Signal", "Saturday in Copper Street")]
    assert alike[0] != alike[1]
    marked = PossibleDuplicate.objects.create(song=songs["Lending Library"], other=songs["Orchard Path"])
    ids = [songs["Lending Library"].pk, songs["Orchard Path"].pk]
    assert len(set(recordings_of(retrieve(songs_index(), (), always=ids)).tolist())) == 1
    marked.verdict = PossibleDuplicate.Verdict.BOTH
    marked.save()
    assert len(set(recordings_of(retrieve(songs_index(), (), always=ids)).tolist())) == 2
    happy = Target.of_quadrant(Quadrant.Q1)
    for seed in range(6):
        request = PlaylistRequest(happy, length=60, seed=seed)
        chosen = [entry.song_id for entry in generate(listener=Listener(None, "a"), request=request).entries]
        assert len(set(chosen) & {song.pk for song in copies}) == 1
        journey = journey_request([happy.point, (-0.6, -0.6)], length=60, seed=seed)
        chosen = [entry.song_id for entry in generate(listener=Listener(None, "a"), request=journey).entries]
        assert len(set(chosen) & {song.pk for song in copies}) == 1
        taken = {2: copies[1].pk}
        rest = generate(listener=Listener(None, "a"), request=request, fixed=taken).entries
        assert copies[0].pk not in [entry.song_id for entry in rest]
