"""What becomes of MIDI: arrangements, and files that appear whole or not at all."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import mido
import pytest
import soundfile

from tests.training.miniatures import MINIATURES, midi, sound, zip_midis
from training.datasets import DATASETS, DatasetError
from training.datasets.base import RenderError
from training.datasets.midi import (
    HELD,
    SOUND_FONTS,
    STRUCK,
    Arrangement,
    arrange,
    choose_arrangement,
    render_midis,
    render_variants,
)

needs_fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not any(Path(font).exists() for font in SOUND_FONTS),
    reason="fluidsynth or its sound font is not installed: apt install fluidsynth fluid-soundfont-gm.",
)
# Two bars: C major with a low C, then A minor above a low A.
SONG = midi([(0, 4, 36), (0, 2, 60), (2, 2, 64), (4, 4, 45), (4, 2, 69), (6, 2, 72)], pedal=True)
PIANO = Arrangement(0, None, None, None, None, key_shift=0, velocity_scale=1.0, font=SOUND_FONTS[0], reverb=False)

Played = dict[int, list[tuple[float, float, int, int]]]


def played(file: mido.MidiFile) -> Played:
    """Return the notes of each program: start and end in beats, pitch, velocity."""
    found: Played = {}
    for track in file.tracks:
        now, program, sounding = 0, -1, {}
        for event in track:
            now += event.time
            if event.type == "program_change":
                program = event.program
            elif event.type == "note_on":
                sounding[event.note] = (now / file.ticks_per_beat, event.velocity)
            elif event.type == "note_off":
                start, velocity = sounding.pop(event.note)
                found.setdefault(program, []).append((start, now / file.ticks_per_beat, event.note, velocity))
        assert not sounding
    return {program: sorted(notes) for program, notes in found.items()}


def arranged(**changes: object) -> mido.MidiFile:
    how = Arrangement(**{**{name: getattr(PIANO, name) for name in PIANO.__slots__}, **changes})
    return arrange(mido.MidiFile(file=io.BytesIO(SONG)), how)


# --- Arrangements -------------------------------------------------------------------------------------------------


def test_a_plain_arrangement_keeps_every_note_and_the_tempo() -> None:
    assert played(arranged())[0] == played(mido.MidiFile(file=io.BytesIO(SONG)))[-1]
    assert len(played(arranged())[0]) == 6
    assert arranged().length == mido.MidiFile(file=io.BytesIO(SONG)).length == 4.0


def test_key_and_dynamics_change_together_for_all_notes() -> None:
    plain, changed = played(arranged())[0], played(arranged(key_shift=-3, velocity_scale=0.5))[0]
    assert [note[2] for note in changed] == [note[2] - 3 for note in plain]
    assert {note[3] for note in changed} == {40}
    assert [note[:2] for note in changed] == [note[:2] for note in plain]
    assert {note[3] for note in played(arranged(velocity_scale=9.0))[0]} == {127}


def test_low_notes_go_to_another_instrument() -> None:
    voices = played(arranged(lead=73, low=42))
    assert {note[2] for note in voices[42]} == {36, 45}
    assert {note[2] for note in voices[73]} == {60, 64, 69, 72}


def test_bass_and_pad_follow_the_harmony_of_each_bar() -> None:
    voices = played(arranged(lead=0, bass=33, pad=89))
    assert [note[:3] for note in voices[33]] == [(0, 4, 36), (4, 8, 45)]
    assert [(start, pitch % 12) for start, _, pitch, _ in voices[89]] == [(0, 0), (0, 4), (4, 9), (4, 0)]
    assert {note[3] for note in voices[89]} == {44}


def test_a_layer_doubles_the_lead_more_softly() -> None:
    voices = played(arranged(lead=0, layer=48))
    assert [note[:3] for note in voices[48]] == [note[:3] for note in voices[0]]
    assert {note[3] for note in voices[48]} == {56}


@pytest.mark.parametrize(("program", "pedals"), [(0, 1), (24, 1), (19, 0), (48, 0)])
def test_only_struck_and_plucked_instruments_get_the_pedal(program: int, pedals: int) -> None:
    events = [event for track in arranged(lead=program).tracks for event in track]
    assert sum(event.type == "control_change" and event.control == 64 for event in events) == pedals


def test_an_arrangement_depends_on_seed_file_and_variant_alone() -> None:
    assert choose_arrangement("a", 1, 2, SOUND_FONTS) == choose_arrangement("a", 1, 2, SOUND_FONTS)
    others = [choose_arrangement(*key, SOUND_FONTS) for key in (("b", 1, 2), ("a", 2, 2), ("a", 1, 3))]
    assert choose_arrangement("a", 1, 2, SOUND_FONTS) not in others


def test_arrangements_visit_every_family_key_and_font() -> None:
    drawn = [choose_arrangement(f"piece {i}", 0, 0, SOUND_FONTS) for i in range(400)]
    programs = Counter(one.lead for one in drawn)
    assert all(any(programs[program] for program in family) for family in (STRUCK | HELD).values())
    assert {one.key_shift for one in drawn} == set(range(-4, 5))
    assert {one.font for one in drawn} == set(SOUND_FONTS)
    alone = sum(one.voices == 1 for one in drawn) / len(drawn)
    assert 0.1 < alone < 0.4


# --- Files --------------------------------------------------------------------------------------------------------


@needs_fluidsynth
def test_midi_is_rendered_whole_and_once(tmp_path: Path) -> None:
    archive = zip_midis(tmp_path / "midis.zip", {"a": SONG, "b": b"MThd, but no music"})
    with pytest.raises(RenderError) as caught:
        render_midis(archive, tmp_path / "out")
    [problem] = caught.value.problems
    assert problem.startswith("b is no readable MIDI")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.flac"]
    assert soundfile.info(tmp_path / "out" / "a.flac").samplerate == 22_050
    before = (tmp_path / "out" / "a.flac").stat().st_mtime_ns
    assert render_midis(archive, tmp_path / "out", only={"a"}) == {"a": tmp_path / "out" / "a.flac"}
    assert (tmp_path / "out" / "a.flac").stat().st_mtime_ns == before


@needs_fluidsynth
def test_variants_are_repeatable_and_stored(tmp_path: Path) -> None:
    folder = tmp_path / "midis"
    folder.mkdir()
    (folder / "a.mid").write_bytes(SONG)
    paths = render_variants(folder, tmp_path / "out", variants=2, seed=5)["a"]
    assert [path.name for path in paths] == ["a.s5v0.flac", "a.s5v1.flac"]
    first, second = (path.read_bytes() for path in paths)
    assert first != second
    kept = paths[1].stat().st_mtime_ns
    paths[0].unlink()
    render_variants(folder, tmp_path / "out", variants=2, seed=5)
    assert paths[0].read_bytes() == first
    assert paths[1].stat().st_mtime_ns == kept
    assert len(list((tmp_path / "out").iterdir())) == 2


@needs_fluidsynth
def test_a_damaged_midi_has_no_variants_and_is_named(tmp_path: Path) -> None:
    archive = zip_midis(tmp_path / "midis.zip", {"b": b"MThd, but no music"})
    with pytest.raises(RenderError, match=r"b\.s0v0 is no readable MIDI"):
        render_variants(archive, tmp_path / "out", variants=1, seed=0)
    assert list((tmp_path / "out").iterdir()) == []


@needs_fluidsynth
def test_what_comes_as_midi_is_rendered_where_there_is_no_recording(tmp_path: Path) -> None:
    MINIATURES["emopia"](tmp_path)
    recordings = sorted((tmp_path / "emopia" / "audio").iterdir())
    recordings[0].unlink()
    dataset, work = DATASETS["emopia"], tmp_path / "work"
    clips = dataset.load(tmp_path / "emopia", work)
    assert [clip.audio.parent for clip in clips] == [work / "emopia", *[recordings[0].parent] * 3]
    assert [path.name for path in (work / "emopia").iterdir()] == [f"{recordings[0].stem}.flac"]
    assert dataset.validate(tmp_path, work) == []


@needs_fluidsynth
def test_a_clip_that_cannot_be_rendered_is_named_and_stops_nothing(tmp_path: Path) -> None:
    MINIATURES["vgmidi"](tmp_path)
    work = tmp_path / "work"
    rendered = sorted((work / "vgmidi").iterdir())
    rendered[0].unlink()
    zip_midis(tmp_path / "vgmidi" / "midis.zip", {rendered[0].stem: b"no music"})
    problems = DATASETS["vgmidi"].validate(tmp_path, work)
    assert len(problems) == 2
    assert problems[0].startswith(f"{rendered[0].stem} is no readable MIDI")
    assert problems[1].endswith(f"{rendered[0]} is missing or empty.")
    assert len(DATASETS["vgmidi"].load(tmp_path / "vgmidi", work)) == 4


@pytest.mark.parametrize(
    "render", [render_midis, lambda archive, out: render_variants(archive, out, variants=1, seed=0)]
)
def test_rendering_without_fluidsynth_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, render: Callable[[Path, Path], object]
) -> None:
    archive = zip_midis(tmp_path / "midis.zip", {"a": SONG})
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DatasetError, match="needs fluidsynth"):
        render(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_that_is_none_is_named(tmp_path: Path) -> None:
    sound(tmp_path / "midis.zip")
    with pytest.raises(DatasetError, match=r"midis\.zip cannot be read as a zip of MIDI files"):
        render_midis(tmp_path / "midis.zip", tmp_path / "out")
