"""The composer of the demo songs: what it writes, plays and renders."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tools.demo_songs.compose import compose, lay_out
from tools.demo_songs.drums import DRUMS, FILLS, GROOVES
from tools.demo_songs.instruments import INSTRUMENTS, NoteBook
from tools.demo_songs.measure import EXPECTED, measure, roughness
from tools.demo_songs.mix import ROOMS
from tools.demo_songs.pieces import PIECES
from tools.demo_songs.render import MANIFEST, Entry, differences, encode, piece_path, render_piece
from tools.demo_songs.score import Score
from tools.demo_songs.styles import STYLES
from tools.demo_songs.theory import MODES, Chord, Key, nearest_chord_step, pitch_over, voice_chord

pytestmark = pytest.mark.slow

# A loud piece with everything on it and a quiet one.
LOUD, QUIET = 9, 18


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pieces in it."""
    folder = tmp_path_factory.mktemp("demo")
    for number in (LOUD, QUIET):
        render_piece(folder, number)
    return folder


@pytest.fixture(params=[LOUD, QUIET], ids=["loud", "quiet"])
def number(request: pytest.FixtureRequest) -> int:
    """The index of each of the two."""
    return int(request.param)


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return [compose(recipe) for recipe in PIECES]


# --- What is rendered ---------------------------------------------------------------------------------------------


def test_the_same_recipe_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    entry = render_piece(tmp_path, QUIET)
    first = piece_path(folder, QUIET)
    assert (tmp_path / entry["file"]).read_bytes() == first.read_bytes()
    assert entry["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()


def test_a_manifest_that_does_not_match_is_said(tmp_path: Path) -> None:
    files = {"same.opus": b"1", "changed.opus": b"2", "renamed.opus": b"3"}
    entries = [
        Entry(file=name, title=name, quadrant=1, seconds=1.0, sha256=hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    ]
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / MANIFEST).write_text(json.dumps(entries))
    assert list(differences(tmp_path, entries)) == []

    (tmp_path / "changed.opus").write_bytes(b"other")
    assert list(differences(tmp_path, entries)) == ["changed.opus is not the file of the manifest."]
    entries[2]["title"] = "Other"
    assert [said.split(":")[0] for said in differences(tmp_path, entries)][1:] == ["renamed.opus"]
    assert next(differences(tmp_path, entries[:2])) == "The manifest lists 3 pieces; 2 were rendered."


def test_sound_is_clean_stereo(folder: Path, number: int) -> None:
    sound, sample_rate_hz = soundfile.read(piece_path(folder, number), dtype="float32")
    assert sample_rate_hz == 48_000
    assert sound.shape[1] == 2
    assert 40 <= len(sound) / sample_rate_hz <= 70
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 10 ** (-0.5 / 20)
    assert np.abs(sound.mean(axis=0)).max() < 2e-3, "a direct current"
    assert np.abs(sound[:20]).max() < 0.01
    assert np.abs(sound[-200:]).max() < 0.001
    assert np.corrcoef(sound.T)[0, 1] < 0.98, "both channels are the same"


def test_loud_and_quiet_pieces_keep_their_distance(folder: Path) -> None:
    levels_db = []
    for number in (LOUD, QUIET):
        sound, _ = soundfile.read(piece_path(folder, number), dtype="float32")
        levels_db.append(10 * np.log10((sound**2).mean()))
    assert 6 <= levels_db[0] - levels_db[1] <= 14
    assert levels_db[1] > -28, "the quiet piece cannot be heard"


def test_the_intended_quadrant_changes_nothing() -> None:
    recipe = PIECES[QUIET]
    assert compose(replace(recipe, quadrant=1)) == compose(recipe)


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        encode(np.zeros((2, 100), dtype=np.float32), tmp_path / "missing" / "piece.opus")
    assert not list(tmp_path.iterdir())


# --- The list of pieces -------------------------------------------------------------------------------------------


def test_names_are_varied() -> None:
    assert len({recipe.title for recipe in PIECES}) == len(PIECES)
    assert len({recipe.artist for recipe in PIECES}) >= 12
    assert len({recipe.genre for recipe in PIECES}) >= 10


def test_lengths(scores: list[Score]) -> None:
    assert all(40 <= score.duration_s <= 70 for score in scores)


def test_energetic_pieces_are_louder_and_denser(scores: list[Score]) -> None:
    """The cues that separate the upper half of the plane from the lower are in the scores themselves."""
    upper = [score for score, recipe in zip(scores, PIECES, strict=True) if recipe.quadrant in (1, 2)]
    lower = [score for score, recipe in zip(scores, PIECES, strict=True) if recipe.quadrant in (3, 4)]
    assert min(s.loudness_db for s in upper) > max(s.loudness_db for s in lower) + 3
    assert min(_strokes_per_s(s) for s in upper) > 1.5 * max(_strokes_per_s(s) for s in lower)


def test_cues_are_measured(folder: Path, number: int) -> None:
    recipe = PIECES[number]
    cues = measure(recipe, piece_path(folder, number))
    assert cues.tempo == pytest.approx(recipe.tempo_bpm)
    for name in ("level", "centroid", "minor", "register"):
        low, high = EXPECTED[recipe.quadrant].get(name, (-np.inf, np.inf))
        assert low <= getattr(cues, name) <= high, name


def test_a_semitone_is_rough_and_an_octave_is_not() -> None:
    def of_interval(semitones: int) -> float:
        return roughness(440.0 * 2.0 ** (np.array([0.0, semitones]) / 12), np.array([0.5, 0.5]))

    assert of_interval(1) > 3 * of_interval(7)
    assert of_interval(12) < 0.1 * of_interval(1)


def test_positive_pieces_are_major_and_negative_ones_minor() -> None:
    for recipe in PIECES:
        third = MODES[Key.named(recipe.key).mode][2]
        darkened = "phrygian" in recipe.key
        assert (third == 4 and not darkened) == (recipe.quadrant in (1, 4)), recipe.title


def test_styles_name_only_what_exists() -> None:
    for style in STYLES.values():
        assert style.room in ROOMS
        assert all(len(rhythm) == style.steps_per_bar for rhythm in style.rhythms)
        for layer in style.layers:
            assert layer.pattern in GROOVES if layer.role == "drums" else layer.instrument in INSTRUMENTS
    assert all(drum in DRUMS for groove in (*GROOVES.values(), *FILLS.values()) for drum in groove if drum != "crash")
    assert all(recipe.lead in INSTRUMENTS for recipe in PIECES if recipe.lead)
    assert set(STYLES) == {recipe.style for recipe in PIECES}


# --- How they are written -----------------------------------------------------------------------------------------


def test_writing_is_deterministic(scores: list[Score]) -> None:
    assert compose(PIECES[LOUD]) == scores[LOUD]


def test_notes_lie_within_the_piece_and_can_be_played(scores: list[Score]) -> None:
    for score in scores:
        for part in score.parts:
            for note in part.notes:
                assert 0 <= note.start_s < score.duration_s
                assert note.duration_s > 0
                assert 24 <= note.pitch <= 108
                assert 0 < note.velocity <= 1


def test_tunes_rest_on_chord_tones(scores: list[Score]) -> None:
    for recipe, score in zip(PIECES, scores, strict=True):
        last_of_theme = [bar for bar in lay_out(recipe, score.key) if bar.section == "C"][-1]
        tones = last_of_theme.chords[-1].tones
        tunes = [p for p in score.parts if p.layer.role == "melody" and "C" in p.layer.sections]
        bar_s = score.beat_s / 4 * STYLES[recipe.style].steps_per_bar
        end_s = (last_of_theme.number + 1) * bar_s
        for tune in tunes:
            before_end = [note for note in tune.notes if note.start_s < end_s - 0.05]
            assert before_end[-1].pitch % 12 in tones, recipe.title


def test_the_last_bar_rests_on_the_tonic() -> None:
    for recipe in PIECES:
        key = Key.named(recipe.key)
        assert lay_out(recipe, key)[-1].chords[0].root == key.tonic % 12, recipe.title


@pytest.mark.parametrize(
    ("symbol", "tones"),
    [("1", (9, 0, 4)), ("5dom7", (4, 8, 11, 2)), ("b2maj", (10, 2, 5)), ("47", (2, 5, 9, 0)), ("15", (9, 4))],
)
def test_chord_symbols(symbol: str, tones: tuple[int, ...]) -> None:
    assert Chord.parse(symbol, Key.named("A minor")).tones == tones


@pytest.mark.parametrize("symbol", ["", "8", "1oops", "h4"])
def test_a_bad_chord_symbol_is_named(symbol: str) -> None:
    with pytest.raises(ValueError, match="is not a chord symbol"):
        Chord.parse(symbol, Key.named("C major"))


def test_a_bad_form_is_named() -> None:
    with pytest.raises(ValueError, match="'X9' is not a section"):
        compose(replace(PIECES[0], form="I2 X9"))


def test_voices_move_little_between_chords() -> None:
    key = Key.named("C major")
    first = voice_chord(Chord.parse("1", key), (), 60)
    second = voice_chord(Chord.parse("6", key), first, 60)
    assert sum(abs(a - b) for a, b in zip(first, second, strict=True)) <= 2


def test_a_tune_bends_to_a_raised_leading_tone() -> None:
    key = Key.named("A minor")
    dominant = Chord.parse("5maj", key)
    seventh = 6
    assert pitch_over(seventh, key, dominant) == key.pitch(seventh) + 1
    assert nearest_chord_step(seventh, key, dominant) == seventh


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_every_instrument_makes_a_clean_note(name: str) -> None:
    pitch = 38 if "bass" in name else 69
    sound = NoteBook(name).note(pitch, 0.5, 0.8)
    peak = np.abs(sound).max()
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert peak > 0.05
    assert np.abs(sound[..., :2]).max() < 0.2 * peak, "starts with a click"
    assert np.abs(sound[..., -2:]).max() < 0.02 * peak, "ends with a click"


def _strokes_per_s(score: Score) -> float:
    return sum(len(part.notes) + len(part.hits) for part in score.parts) / score.duration_s
