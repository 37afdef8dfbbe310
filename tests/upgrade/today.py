"""How the code of today is asked for what the old installation held. A rename changes this file, never the facts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model
from rest_framework.authtoken.models import Token

from catalog.core import claims
from catalog.models import Album, Artist, PartialUpload, PossibleDuplicate, Song, SongChange, SongEdit, Upload
from emotion.models import (
    AnalysisWorker,
    EmotionCurve,
    EmotionEstimate,
    ModelVersion,
    PerceivedLabel,
    QuadrantOverride,
    Reanalysis,
    ReanalysisItem,
    SaliencyMap,
    Waveform,
)
from emotion.selectors import current_estimate, curve_of, saliency_of
from recommender.models import FeltPrior, FeltRating, Listen, MoodCheckIn, Playlist, PlaylistItem
from training.models import ModelEvent, Retraining

Q = ("", "Q1", "Q2", "Q3", "Q4")
KINDS: Mapping[str, type[Model]] = {
    "accounts": User,
    "API tokens": Token,
    "artists": Artist,
    "albums": Album,
    "songs": Song,
    "uploads": Upload,
    "unfinished uploads": PartialUpload,
    "possible duplicates": PossibleDuplicate,
    "changes": SongChange,
    "edits": SongEdit,
    "overrides": QuadrantOverride,
    "models": ModelVersion,
    "model events": ModelEvent,
    "retrainings": Retraining,
    "workers": AnalysisWorker,
    "re-analyses": Reanalysis,
    "re-analysed songs": ReanalysisItem,
    "estimates": EmotionEstimate,
    "curves": EmotionCurve,
    "waveforms": Waveform,
    "saliency maps": SaliencyMap,
    "perceived labels": PerceivedLabel,
    "ratings": FeltRating,
    "listens": Listen,
    "moods": MoodCheckIn,
    "playlists": Playlist,
    "playlist items": PlaylistItem,
    "priors": FeltPrior,
}


def name_of(user: User | None) -> str:
    """Return the username; empty for a visitor."""
    return user.username if user else ""


def song(pk: int) -> tuple[Any, ...]:
    """Title, artist, album, genre, year, track, state, seconds."""
    row = Song.objects.get(pk=pk)
    album = row.album.title if row.album else ""
    return row.title, row.artist.name, album, row.genre, row.year, row.track_number, row.state, round(row.duration_s, 2)


def song_file(pk: int) -> Path:
    """Where a song's audio lies."""
    return Path(Song.objects.get(pk=pk).audio.path)


def cover_file(pk: int) -> Path:
    """Where a song's cover lies."""
    return Path(Song.objects.get(pk=pk).cover.path)


def model_said(pk: int) -> tuple[str, tuple[float, ...], tuple[float, float]]:
    """What the live model says of a song: quadrant, probabilities of Q1 to Q4, valence and arousal."""
    found = _estimate(pk)
    return Q[found.quadrant], found.probabilities, (found.valence, found.arousal)


def answer(pk: int) -> tuple[str, bool, tuple[float, float]]:
    """What counts for a song: quadrant, whether a curator set it, valence and arousal."""
    found = _estimate(pk)
    return Q[found.effective_quadrant], found.is_overridden, (found.effective_valence, found.effective_arousal)


def versions(pk: int) -> dict[str, bool]:
    """Which models have an estimate of a song, and whose is current."""
    return dict(EmotionEstimate.objects.filter(song=pk).values_list("model_version", "is_current"))


def embedding_size(pk: int) -> int:
    """How many numbers describe the sound of a song."""
    return len(_estimate(pk).embedding)


def overrides() -> list[tuple[Any, ...]]:
    """Song, quadrant (empty: the model's own), quadrant before, note, whether it holds; the oldest first."""
    rows = QuadrantOverride.objects.order_by("pk")
    return [(row.song_id, Q[row.quadrant or 0], Q[row.before or 0], row.note, row.is_current) for row in rows]


def changes() -> dict[int, tuple[str, int, str]]:
    """By change: who made it, how many songs it changed, and who undid it."""
    return {row.pk: (name_of(row.made_by), row.n_songs, name_of(row.undone_by)) for row in SongChange.objects.all()}


def edits() -> list[tuple[int, int, dict[str, Any], dict[str, Any]]]:
    """Change, song, tags before and after."""
    return list(SongEdit.objects.order_by("pk").values_list("change_id", "song_id", "before", "after"))


def upload(pk: int) -> tuple[Any, ...]:
    """File name, owner, state, song, code of a failure, whether it was hidden."""
    row = Upload.objects.get(pk=pk)
    return row.file_name, name_of(row.owner), row.state, row.song_id, row.failure_code, row.hidden_at is not None


def unfinished() -> list[tuple[Any, ...]]:
    """Id, owner, file name, bytes in all, bytes that are here; of those that are not finished."""
    rows = PartialUpload.objects.filter(finished_at=None)
    return [(row.public_id, name_of(row.owner), row.file_name, row.size_bytes, row.offset_bytes) for row in rows]


def duplicates() -> list[tuple[int, int, str]]:
    """The newer song, the older one, the verdict."""
    return list(PossibleDuplicate.objects.order_by("pk").values_list("song_id", "other_id", "verdict"))


def models() -> dict[str, tuple[Any, ...]]:
    """By version: state, origin, where a rollback leads, size of the held-out test, checked against which."""
    return {
        row.version: (
            row.state,
            row.origin,
            row.live_before.version if row.live_before else "",
            row.report["n"],
            row.gate.get("against", ""),
        )
        for row in ModelVersion.objects.all()
    }


def model_events() -> list[tuple[str, str, str, str]]:
    """Kind, model, model that was live until then, reason; the oldest first."""
    rows = ModelEvent.objects.order_by("pk")
    return [(row.kind, row.model.version, row.before.version if row.before else "", row.reason) for row in rows]


def retrainings() -> list[tuple[str, bool, str, str]]:
    """State, whether it is queued or running, recipe, who asked; the oldest first."""
    rows = Retraining.objects.order_by("pk")
    return [(row.state, row.is_active, row.recipe, name_of(row.started_by)) for row in rows]


def reanalyses() -> list[tuple[Any, ...]]:
    """Model, state, adopted songs, songs that are done, songs that wait; the oldest first."""
    return [
        (
            row.model_version,
            row.state,
            row.n_adopted,
            row.n_done or row.items.filter(state="done").count(),
            sorted(row.items.filter(state="waiting").values_list("song_id", flat=True)),
        )
        for row in Reanalysis.objects.order_by("pk")
    ]


def worker() -> tuple[str, str, str, str]:
    """Name, device, engine and model of the only worker."""
    return AnalysisWorker.objects.values_list("name", "device", "engine", "model_version").get()


def curve(pk: int) -> tuple[str, float, float, int, tuple[float, float]]:
    """State, hop, window, number of points, and the first point of the curve of a song."""
    found = curve_of(_estimate(pk))
    assert found is not None
    valence, arousal = found.points[0, :2].tolist()
    return found.state, found.hop_s, found.window_s, len(found.points), (valence, arousal)


def waveform(pk: int) -> tuple[int, int]:
    """Number of parts of a waveform, and the loudest."""
    peaks = Waveform.objects.get(song=pk).peaks
    return len(peaks), int(peaks.max())


def saliency(pk: int) -> tuple[Any, ...]:
    """State, quadrant, window, rows and columns, and how much weighs in the first stretch of the map of a song."""
    found = saliency_of(_estimate(pk))
    assert found is not None
    seconds = found.weighed.get("seconds") or [{"share": 0.0}]
    return found.state, Q[found.quadrant or 0], found.window_s, found.heat.shape, round(seconds[0]["share"], 4)


def saliency_claim(pk: int) -> bool:
    """Return whether the work on a map that waits can be taken."""
    return bool(claims.claim(SaliencyMap.objects.filter(song=pk)))


def labels() -> set[tuple[Any, ...]]:
    """Rater, song, quadrant, valence, arousal."""
    rows = PerceivedLabel.objects.all()
    return {(name_of(row.rater), row.song_id, Q[row.quadrant], row.valence, row.arousal) for row in rows}


def ratings(name: str) -> set[tuple[Any, ...]]:
    """Song, felt valence and arousal, liked, familiar, felt nothing, mood before, playlist and place."""
    return {
        (
            row.song_id,
            (row.felt_valence, row.felt_arousal),
            row.liked,
            row.familiar,
            row.felt_nothing,
            (row.mood_valence, row.mood_arousal),
            row.playlist_id,
            row.position,
        )
        for row in FeltRating.objects.filter(listener__username=name)
    }


def listens() -> list[tuple[Any, ...]]:
    """Listener (empty: a browser), song, playlist, how it ended, seconds; the oldest first."""
    rows = Listen.objects.order_by("pk")
    return [(name_of(row.listener), row.song_id, row.playlist_id, row.outcome, row.listened_s) for row in rows]


def moods() -> list[tuple[str, float, float]]:
    """Listener (empty: a browser), valence, arousal; the oldest first."""
    return [(name_of(row.listener), row.valence, row.arousal) for row in MoodCheckIn.objects.order_by("pk")]


def playlist(pk: int) -> tuple[Any, ...]:
    """Owner (empty: a browser), title, kind, whether saved, arranged, shared and discarded, songs in order."""
    row = Playlist.objects.get(pk=pk)
    marks = {
        "saved": row.saved_at,
        "arranged": row.arranged_at,
        "shared": row.share_token,
        "discarded": row.trashed_at,
    }
    songs = list(row.items.order_by("position").values_list("song_id", flat=True))
    return name_of(row.owner), row.title, row.kind, {name for name, mark in marks.items() if mark}, songs


def wish(pk: int) -> tuple[Any, ...]:
    """Target quadrant and point, path, mood, song that it is around, filters, variety, seed and note of a playlist."""
    row = Playlist.objects.get(pk=pk)
    return (
        Q[row.target_quadrant or 0],
        (round(row.target_valence, 4), round(row.target_arousal, 4)),
        row.path,
        (row.mood_valence, row.mood_arousal),
        row.seed_song_id,
        row.filters,
        row.variety,
        row.seed,
        row.note,
    )


def not_found(pk: int) -> list[str]:
    """The entries of an imported playlist that no song matched."""
    return [entry["words"] for entry in Playlist.objects.get(pk=pk).import_report["not_found"]]


def placed(pk: int, position: int) -> tuple[Any, ...]:
    """Song, reason, whether played, target, and what closeness, ratings and mood added to the rank, of an item."""
    item = PlaylistItem.objects.get(playlist=pk, position=position)
    terms = tuple(item.terms.get(name) for name in ("closeness", "ratings", "mood"))
    target = (item.target_valence, item.target_arousal)
    return item.song_id, item.reason, item.played_at is not None, target, terms


def prior() -> tuple[str, int, int, bool]:
    """Model, listeners and ratings behind the prior, and whether it serves."""
    return FeltPrior.objects.values_list("model_version", "n_listeners", "n_ratings", "is_current").get()


def _estimate(pk: int) -> EmotionEstimate:
    found = current_estimate(Song.objects.get(pk=pk))
    assert found is not None
    return found
