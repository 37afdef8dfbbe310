"""The demo music: what is written, what is rendered, and what must not be in the files."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mutagen.flac import Picture
from mutagen.oggvorbis import OggVorbis
from PIL import Image

from tools.demo_songs import render_pieces
from tools.demo_songs.compose import compose, lay_out
from tools.demo_songs.cover import draw_cover
from tools.demo_songs.drums import DRUMS, FILLS, GROOVES
from tools.demo_songs.instruments import INSTRUMENTS, NoteBook
from tools.demo_songs.mix import ROOMS
from tools.demo_songs.pieces import PIECES
from tools.demo_songs.render import encode, piece_path, render_piece
from tools.demo_songs.score import Recipe, Score
from tools.demo_songs.styles import STYLES
from tools.demo_songs.theory import MODES, Chord, Key, nearest_chord_step, pitch_over, voice_chord

# A loud piece with everything on it and a quiet one.
LOUD, QUIET = 9, 18
NAMES_OF_EMOTIONS = re.compile(
    r"\b(happ|joy|glad|tens|ang(er|ry)|fear|sad|sorrow|grie|melanchol|calm|peace|seren|tranquil|relax"
    r"|quadrant|arousal|valence|mood|emotion)"
)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path], list[tuple[int, int]]]:
    """Two pieces rendered by two worker processes; the others are there already."""
    out_dir = tmp_path_factory.mktemp("demo")
    for number in set(range(len(PIECES))) - {LOUD, QUIET}:
        piece_path(out_dir, number).write_bytes(b"there before")
    calls: list[tuple[int, int]] = []
    paths = render_pieces(out_dir, workers=2, progress=lambda there, total: calls.append((there, total)))
    return out_dir, paths, calls


@pytest.fixture(params=[LOUD, QUIET], ids=["loud", "quiet"])
def piece(
    request: pytest.FixtureRequest, rendered: tuple[Path, list[Path], list[tuple[int, int]]]
) -> tuple[Recipe, Path]:
    return PIECES[request.param], rendered[1][request.param]


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return [compose(recipe) for recipe in PIECES]


# --- What is rendered ---------------------------------------------------------------------------------------------


def test_only_missing_pieces_are_rendered_and_progress_is_told(rendered: tuple[Path, list[Path], list]) -> None:
    out_dir, paths, calls = rendered
    total = len(PIECES)
    assert calls == [(total - 2, total), (total - 1, total), (total, total)]
    assert sorted(out_dir.iterdir()) == sorted(paths), "a temporary file was left"
    assert [path for path in paths if path.read_bytes() != b"there before"] == [paths[LOUD], paths[QUIET]]


def test_a_piece_is_the_same_bytes_in_another_process(rendered: tuple[Path, list[Path], list], tmp_path: Path) -> None:
    again = tmp_path / "again.ogg"
    render_piece(PIECES[QUIET], again, QUIET + 1)
    assert again.read_bytes() == rendered[1][QUIET].read_bytes()


def test_sound_is_clean_stereo(piece: tuple[Recipe, Path]) -> None:
    sound, sample_rate_hz = soundfile.read(piece[1], dtype="float32")
    assert sample_rate_hz == 44_100
    assert sound.shape[1] == 2
    assert 40 <= len(sound) / sample_rate_hz <= 70
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 10 ** (-0.5 / 20)
    assert np.abs(sound.mean(axis=0)).max() < 2e-3, "a direct current"
    assert np.abs(sound[:20]).max() < 0.01
    assert np.abs(sound[-200:]).max() < 0.001
    assert np.corrcoef(sound.T)[0, 1] < 0.98, "both channels are the same"


def test_loud_and_quiet_pieces_keep_their_distance(rendered: tuple[Path, list[Path], list]) -> None:
    levels_db = []
    for number in (LOUD, QUIET):
        sound, _ = soundfile.read(rendered[1][number], dtype="float32")
        levels_db.append(10 * np.log10((sound**2).mean()))
    assert 6 <= levels_db[0] - levels_db[1] <= 14
    assert levels_db[1] > -28, "the quiet piece cannot be heard"


def test_tags_say_what_they_should_and_nothing_of_the_intention(piece: tuple[Recipe, Path]) -> None:
    recipe, path = piece
    tags = OggVorbis(path)
    assert {key: tags[key] for key in ("title", "artist", "album", "genre", "date")} == {
        "title": [recipe.title],
        "artist": [recipe.artist],
        "album": ["Moodplane Demo"],
        "genre": [recipe.genre],
        "date": [str(recipe.year)],
    }
    keys = {key.lower() for key in tags.keys()}  # noqa: SIM118 - mutagen's tags iterate over pairs.
    assert keys <= {"title", "artist", "album", "genre", "date", "tracknumber", "metadata_block_picture", "encoder"}


def test_cover_can_be_read(piece: tuple[Recipe, Path]) -> None:
    picture = Picture(base64.b64decode(OggVorbis(piece[1])["metadata_block_picture"][0]))
    assert (picture.type, picture.mime) == (3, "image/png")
    with Image.open(io.BytesIO(picture.data)) as image:
        image.load()
        assert image.size == (500, 500)
        assert len(set(image.convert("RGB").get_flattened_data())) > 4


def test_the_intended_quadrant_changes_nothing() -> None:
    recipe = PIECES[QUIET]
    assert compose(replace(recipe, quadrant=1)) == compose(recipe)


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="could not be written"):
        encode(np.zeros((2, 100), dtype=np.float32), tmp_path / "missing" / "piece.ogg")
    assert not list(tmp_path.iterdir())


# --- The list of pieces -------------------------------------------------------------------------------------------


def test_every_quadrant_is_intended_eight_to_ten_times() -> None:
    counts = Counter(recipe.quadrant for recipe in PIECES)
    assert sorted(counts) == [1, 2, 3, 4]
    assert all(8 <= count <= 10 for count in counts.values())


def test_names_are_varied_and_name_no_emotion() -> None:
    titles = [recipe.title for recipe in PIECES]
    assert len(set(titles)) == len(PIECES)
    assert len({recipe.artist for recipe in PIECES}) >= 12
    assert len({recipe.genre for recipe in PIECES}) >= 10
    for recipe in PIECES:
        assert not NAMES_OF_EMOTIONS.search(f"{recipe.title} {recipe.artist} {recipe.genre}".lower()), recipe.title


def test_covers_differ() -> None:
    assert len({draw_cover(recipe.artist, recipe.title) for recipe in PIECES[:3]}) == 3


def test_lengths(scores: list[Score]) -> None:
    assert all(40 <= score.duration_s <= 70 for score in scores)


def test_energetic_pieces_are_louder_and_denser(scores: list[Score]) -> None:
    """The cues that tell the upper half of the plane from the lower one are in the scores themselves."""
    upper = [score for score, recipe in zip(scores, PIECES, strict=True) if recipe.quadrant in (1, 2)]
    lower = [score for score, recipe in zip(scores, PIECES, strict=True) if recipe.quadrant in (3, 4)]
    assert min(s.loudness_db for s in upper) > max(s.loudness_db for s in lower) + 3
    assert min(_strokes_per_s(s) for s in upper) > 1.5 * max(_strokes_per_s(s) for s in lower)


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
