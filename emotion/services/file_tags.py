"""What is written into the tags of files: mood, the numbers behind it, tempo, key and gain."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.utils.translation import gettext_lazy

from catalog.exceptions import CatalogError
from catalog.models import Song
from catalog.uploads.tagging import (
    Tagging,
    Wanted,
    song_tags_plan,
    song_tags_restore,
    song_tags_write,
    songs_for_tagging,
)
from emotion.inference.quadrants import Quadrant
from emotion.measures.words import SURE_LIKENESS, SURE_STEADINESS
from emotion.models import EmotionEstimate, Waveform

# As forms and the command name them.
GROUPS = {
    "mood": ("mood", "valence", "arousal", "confidence", "model"),
    "bpm": ("bpm",),
    "key": ("key",),
    "replaygain": ("track_gain", "track_peak", "track_r128"),
}
GROUP_NAMES = {
    "mood": gettext_lazy("Mood, valence and arousal"),
    "bpm": gettext_lazy("Tempo"),
    "key": gettext_lazy("Key"),
    "replaygain": gettext_lazy("ReplayGain"),
}
# For other programs, so that it is English wherever it is written.
_MOODS = {Quadrant.Q1: "Happy", Quadrant.Q2: "Tense", Quadrant.Q3: "Sad", Quadrant.Q4: "Calm"}
# ID3v2.4, 4.2.1: TKEY has three characters, and "o" for no key.
_KEYS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR_KEYS = ("Cm", "C#m", "Dm", "Ebm", "Em", "Fm", "F#m", "Gm", "G#m", "Am", "Bbm", "Bm")
# ReplayGain 2.0 and RFC 7845 lead to these.
_REPLAY_GAIN_LUFS, _R128_LUFS, _R128_UNITS_IN_DB = -18.0, -23.0, 256
_MOST_R128 = 32_767
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Options:
    """How tags are written: which groups, over the values of others, into watched folders, with the times of files."""

    groups: tuple[str, ...] = tuple(GROUPS)
    overwrite: bool = False
    in_folders: bool = False
    keep_times: bool = False

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Options:
        """Return options as a row has stored them."""
        groups = tuple(group for group in stored.get("groups", GROUPS) if group in GROUPS)
        names = ("overwrite", "in_folders", "keep_times")
        return cls(groups, *(bool(stored.get(name)) for name in names))


@dataclass(frozen=True, slots=True)
class SongTagging:
    """A song with what is written into its file, or why nothing can be."""

    song: Song
    tagging: Tagging
    problem: str = ""


def tag_values(song_ids: Collection[int], groups: Collection[str]) -> dict[int, Wanted]:
    """Return by analysed song what its tags should say; None where there is nothing sure to say.

    A tag cannot say "perhaps", so that a tempo or key of which a page would say so is left out.
    """
    estimates = EmotionEstimate.objects.filter(song__in=song_ids, is_current=True).with_effective()
    waveforms = {row.song_id: row for row in Waveform.objects.filter(song__in=song_ids).defer("peaks_bytes")}
    fields = {name for group in groups for name in GROUPS[group]}
    values: dict[int, Wanted] = {}
    for estimate in estimates:
        said = _mood(estimate) | _measures(waveforms.get(estimate.song_id))
        values[estimate.song_id] = {name: said.get(name) for name in said if name in fields}
    return values


def _mood(estimate: EmotionEstimate) -> dict[str, str | None]:
    is_set = estimate.is_overridden
    return {
        "mood": _MOODS[Quadrant(estimate.effective_quadrant)],
        "valence": f"{estimate.effective_valence:.3f}",
        "arousal": f"{estimate.effective_arousal:.3f}",
        # What a curator has set has no probability.
        "confidence": None if is_set else f"{estimate.confidence:.2f}",
        "model": "curator" if is_set else estimate.model_version,
    }


def _measures(waveform: Waveform | None) -> dict[str, str | None]:
    bpm = key = gain = peak = r128 = None
    if waveform is not None:
        is_steady = waveform.bpm_other is None and (waveform.bpm_confidence or 0.0) >= SURE_STEADINESS
        if waveform.bpm is not None and is_steady:
            bpm = str(round(waveform.bpm))
        if waveform.key is not None and (waveform.key_confidence or 0.0) >= SURE_LIKENESS:
            key = (*_KEYS, *_MINOR_KEYS)[waveform.key]
        if waveform.loudness_lufs is not None:
            gain = f"{_REPLAY_GAIN_LUFS - waveform.loudness_lufs:+.2f} dB"
            units = round(_R128_UNITS_IN_DB * (_R128_LUFS - waveform.loudness_lufs))
            r128 = str(max(-_MOST_R128, min(_MOST_R128, units)))
        if waveform.true_peak_dbtp is not None:
            peak = f"{10 ** (waveform.true_peak_dbtp / 20):.6f}"
    return {"bpm": bpm, "key": key, "track_gain": gain, "track_peak": peak, "track_r128": r128}


def files_plan(song_ids: Sequence[int], options: Options) -> Iterator[SongTagging]:
    """Yield for each analysed song what writing would do; nothing is written."""
    yield from _each(song_ids, options, is_trial=True)


def files_write(song_ids: Sequence[int], options: Options) -> Iterator[SongTagging]:
    """Write the tags of each analysed song, and yield what was done; a file that cannot be written stops no other."""
    yield from _each(song_ids, options, is_trial=False)


def files_restore(
    song_ids: Sequence[int], *, keep_times: bool = False, is_trial: bool = False
) -> Iterator[SongTagging]:
    """Give the files of songs back the tags that they had, and yield what was done."""
    for start in range(0, len(song_ids), _BATCH):
        for song in songs_for_tagging(song_ids[start : start + _BATCH]):
            try:
                yield SongTagging(song, song_tags_restore(song=song, keep_times=keep_times, is_trial=is_trial))
            except CatalogError as error:
                yield SongTagging(song, Tagging(), str(error))


def _each(song_ids: Sequence[int], options: Options, *, is_trial: bool) -> Iterator[SongTagging]:
    for start in range(0, len(song_ids), _BATCH):
        ids = song_ids[start : start + _BATCH]
        values = tag_values(ids, options.groups)
        for song in songs_for_tagging(ids, with_files=options.in_folders):
            if song.pk not in values:
                continue
            writes = song_tags_plan if is_trial else partial(song_tags_write, keep_times=options.keep_times)
            try:
                tagging = writes(
                    song=song,
                    wanted=values[song.pk],
                    overwrite=options.overwrite,
                    in_folders=options.in_folders,
                )
            except CatalogError as error:
                yield SongTagging(song, Tagging(), str(error))
            else:
                yield SongTagging(song, tagging)
