"""Every dataset in its official layout, in miniature: the clips read, and the errors for wrong rows and files."""

from __future__ import annotations

import pkgutil
import re
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from emotion.inference.quadrants import Quadrant
from tests.training.miniatures import MINIATURES, POINTS, SPOILED, Spoiled, silence, vgmidi
from training import datasets
from training.datasets import DATASETS, DatasetError, emotify
from training.datasets.base import Clip, Scale

BY_TAGS = ("cal500", "cal500exp", "jamendo", "magnatagatune")
RATED = ("pmemo", "emomusic", "deam", "bimodal", "vgmidi", "merge")
# The others are rendered again when a file is deleted.
WITH_FILES = sorted(set(MINIATURES) - {"vgmidi", "emopia"})


def load(name: str, root: Path) -> list[Clip]:
    return DATASETS[name].load(root / name, root / "work")


def validate(name: str, root: Path) -> list[str]:
    return DATASETS[name].validate(root, root / "work")


def test_every_dataset_has_a_miniature() -> None:
    assert set(MINIATURES) == set(DATASETS)


def test_each_dataset_is_a_module_that_names_citation_licence_and_source() -> None:
    modules = [import_module(f"training.datasets.{each.name}") for each in pkgutil.iter_modules(datasets.__path__)]
    by_name = {module.DATASET.name: module for module in modules if hasattr(module, "DATASET")}
    assert by_name.keys() == DATASETS.keys()
    for name, module in by_name.items():
        assert module.DATASET is DATASETS[name]
        assert module.DATASET.licence == module.LICENSE != ""
        assert re.search(r"\(20\d\d\)\. .+\.$", module.CITATION), name
        assert module.SOURCE.startswith("http"), name


@pytest.mark.parametrize("name", DATASETS)
def test_the_official_layout_is_read_whole(tmp_path: Path, name: str) -> None:
    MINIATURES[name](tmp_path)
    clips = load(name, tmp_path)
    assert validate(name, tmp_path) == []
    assert len({clip.id for clip in clips}) == len(clips) >= 3
    assert {clip.id.partition("/")[0] for clip in clips} == {clip.dataset for clip in clips} == {name}
    assert all(clip.artist and clip.song_id and clip.audio.is_file() for clip in clips)
    if name in BY_TAGS:
        assert {clip.quadrant for clip in clips} == {None}
        vocabulary = DATASETS[name].vocabulary
        assert vocabulary is not None
        assert {tag for clip in clips for tag in clip.tags} <= set(vocabulary(tmp_path / name))
    else:
        assert [clip.quadrant for clip in clips] == list(Quadrant)


@pytest.mark.parametrize("name", RATED)
def test_ratings_become_points_of_the_plane(tmp_path: Path, name: str) -> None:
    MINIATURES[name](tmp_path)
    clips = load(name, tmp_path)
    # The second listener of VGMIDI rates the second measure as half as strong.
    share = 0.875 if name == "vgmidi" else 1.0
    assert [clip.valence for clip in clips] == pytest.approx([valence * share for valence, _ in POINTS.values()])
    assert [clip.arousal for clip in clips] == pytest.approx([arousal for _, arousal in POINTS.values()])


@pytest.mark.parametrize(("scale", "midpoint"), [(Scale(0, 1), 0.5), (Scale(1, 9), 5), (Scale(-4, 4), 0)])
def test_strictly_above_the_midpoint_is_high(scale: Scale, midpoint: float) -> None:
    assert scale.centred(midpoint) == 0.0
    assert (scale.centred(scale.low), scale.centred(scale.high)) == (-1.0, 1.0)
    assert Quadrant.from_valence_arousal(scale.centred(midpoint), scale.centred(midpoint)) == Quadrant.Q3
    just_above = midpoint + 1e-9
    assert Quadrant.from_valence_arousal(scale.centred(just_above), scale.centred(just_above)) == Quadrant.Q1


# --- What is wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoiled", SPOILED, ids=lambda spoiled: f"{spoiled.name}-{spoiled.said[:24]}")
def test_a_wrong_row_is_named_and_left_out(tmp_path: Path, spoiled: Spoiled) -> None:
    MINIATURES[spoiled.name](tmp_path)
    before = load(spoiled.name, tmp_path)
    with (tmp_path / spoiled.name / spoiled.table).open("a") as file:
        file.write(f"{spoiled.row}\n")
    [problem] = validate(spoiled.name, tmp_path)
    assert problem.startswith(f"{Path(spoiled.table).name}, {spoiled.said}")
    assert problem.endswith("The row is left out.")
    after = load(spoiled.name, tmp_path)
    if "av_values" in spoiled.table:
        assert after == before[:3]
    else:
        assert after == before


@pytest.mark.parametrize("name", WITH_FILES)
def test_bad_audio_is_named_and_stops_nothing(tmp_path: Path, name: str) -> None:
    MINIATURES[name](tmp_path)
    before = load(name, tmp_path)
    files = list(dict.fromkeys(clip.audio for clip in before))
    files[0].unlink()
    silence(files[1])
    expected = [f"{files[0]} is missing or empty.", f"{files[1]} is 0 s long."]
    if len(files) > 2:
        files[2].write_bytes(b"this is no music")
        expected.append(f"{files[2]} could not be decoded")
    for problem, said in zip(validate(name, tmp_path), expected, strict=True):
        assert said in problem
    assert [clip.id for clip in load(name, tmp_path)] == [clip.id for clip in before]


@pytest.mark.parametrize("name", DATASETS)
def test_a_wrong_folder_gets_a_sentence(tmp_path: Path, name: str) -> None:
    problems = validate(name, tmp_path)
    assert problems
    for problem in problems:
        assert problem.startswith("Expected ")
        assert f" at {tmp_path / name}" in problem
        assert "MER_DATA" in problem
    with pytest.raises(DatasetError, match="Expected"):
        load(name, tmp_path)


def test_every_missing_table_is_named(tmp_path: Path) -> None:
    problems = validate("4qaed", tmp_path)
    assert [problem.split()[1] for problem in problems] == [
        "panda_dataset_taffc_metadata.csv",
        "panda_dataset_taffc_annotations.csv",
    ]


def test_a_table_without_its_column_is_named_with_its_header(tmp_path: Path) -> None:
    MINIATURES["pmemo"](tmp_path)
    table = tmp_path / "pmemo" / "annotations" / "static_annotations.csv"
    table.write_text("song_id,valence_mean\n1,5\n")
    [problem] = validate("pmemo", tmp_path)
    assert problem == (
        f"{table} has no column musicId, Valence(mean), Arousal(mean); its header is song_id, valence_mean."
    )


def test_a_table_that_is_no_text_is_named(tmp_path: Path) -> None:
    MINIATURES["pmemo"](tmp_path)
    table = tmp_path / "pmemo" / "metadata.csv"
    table.write_bytes(b"\xff\xfe\x00")
    [problem] = validate("pmemo", tmp_path)
    assert problem.startswith(f"{table} cannot be read as a table")


def test_tables_of_cal500_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    MINIATURES["cal500"](tmp_path)
    hard = tmp_path / "cal500" / "hardAnnotations.txt"
    hard.write_text("1,0,1\n0,2,0\n0,0,0\n")
    assert validate("cal500", tmp_path) == ["hardAnnotations.txt, line 2: 2 is neither 0 nor 1. The row is left out."]
    hard.write_text("1,0\n0,1\n0,0\n")
    [problem] = validate("cal500", tmp_path)
    assert problem.endswith("has 3 rows of 2; by songNames.txt and vocab.txt it should have 3 of 3.")
    hard.write_text("1,0,x\n")
    assert "cannot be read as a table of numbers" in validate("cal500", tmp_path)[0]


def test_damaged_curves_of_vgmidi_are_refused(tmp_path: Path) -> None:
    MINIATURES["vgmidi"](tmp_path)
    raw = tmp_path / "vgmidi" / "vgmidi_raw_2.json.gz"
    raw.write_bytes(raw.read_bytes()[:40])
    [problem] = validate("vgmidi", tmp_path)
    assert problem.startswith(f"{raw} is not the file of VGMIDI")


# --- What is known of the songs -----------------------------------------------------------------------------------


def test_what_4qaed_says_of_its_songs(tmp_path: Path) -> None:
    MINIATURES["4qaed"](tmp_path)
    first, second, third, _ = load("4qaed", tmp_path)
    assert (first.artist, first.title, first.genre, first.tags) == (
        "björk",
        "A, again",
        "Pop/Rock",
        ("Gleeful", "Manic"),
    )
    assert (second.artist, second.tags, third.artist) == ("song MT2", (), "song MT3")


def test_what_deam_and_emotion_in_music_say_of_their_songs(tmp_path: Path) -> None:
    MINIATURES["deam"](tmp_path)
    MINIATURES["emomusic"](tmp_path)
    known = {clip.song_id: (clip.artist, clip.title, clip.album, clip.genre) for clip in load("deam", tmp_path)}
    assert known["1001"] == ("ann", "One", "First", "Rock")
    assert known["2001"] == ("bo", "Two", "Second", "Jazz")
    assert known["1002"][0] == "song 1002"
    first, *_, last = load("emomusic", tmp_path)
    assert (first.artist, first.title, first.genre) == ("kevin macleod", "Song 2", "Blues")
    assert last.artist == "song 5"


def test_the_ten_second_cuts_serve_where_the_official_audio_is_not(tmp_path: Path) -> None:
    MINIATURES["deam"](tmp_path)
    MINIATURES["emomusic"](tmp_path)
    cuts = tmp_path / "deam" / "audio_10s"
    (tmp_path / "deam" / "MEMD_audio").rename(cuts)
    shutil.rmtree(tmp_path / "emomusic" / "clips_45sec")
    (tmp_path / "deam" / "songs.csv").write_text("song_id,artist,title,genre\n1001,Ann,One,Rock\n2001,Bo,Two,Jazz\n")
    # Only the listed songs were cut, so the others are not looked for.
    assert [clip.song_id for clip in load("deam", tmp_path)] == ["1001", "2001"]
    assert validate("deam", tmp_path) == []
    assert {clip.audio.parent for clip in load("emomusic", tmp_path)} == {cuts}


def test_merge_gives_its_split_and_prefers_the_complete_set(tmp_path: Path) -> None:
    MINIATURES["merge"](tmp_path)
    clips = load("merge", tmp_path)
    assert [clip.split for clip in clips] == ["train", "val", "test", ""]
    assert (clips[0].title, clips[0].genre, clips[0].tags) == ("Song, Q1", "Jazz, Latin", ("Gleeful", "Manic"))
    unpacked = tmp_path / "merge" / "MERGE_Audio_Complete"
    for path in unpacked.rglob("*complete*.csv"):
        path.rename(path.with_name(path.name.replace("complete", "balanced")))
    unpacked.rename(tmp_path / "merge" / "MERGE_Audio_Balanced")
    assert [clip.id for clip in load("merge", tmp_path)] == [clip.id for clip in clips]


def test_bimodal_may_come_with_quadrants_and_one_folder(tmp_path: Path) -> None:
    MINIATURES["bimodal"](tmp_path)
    folder = tmp_path / "bimodal"
    (folder / "Q2").rename(folder / "audio")
    (folder / "bimodal_annotations.csv").write_text("Song,Quadrant\nSQ1,Q1\nSQ2,Q2\n")
    clips = load("bimodal", tmp_path)
    assert [(clip.artist, clip.quadrant, clip.valence) for clip in clips] == [
        ("ann", Quadrant.Q1, None),
        ("ann", Quadrant.Q2, None),
    ]
    assert validate("bimodal", tmp_path) == []
    (folder / "bimodal_annotations.csv").write_text("Song,Mood\nSQ1,Q1\n")
    assert "neither Valence and Arousal nor Quadrant" in validate("bimodal", tmp_path)[0]


def test_emotify_counts_its_listeners_and_reads_artists_from_tags(tmp_path: Path) -> None:
    MINIATURES["emotify"](tmp_path)
    first, *others = load("emotify", tmp_path)
    assert (first.artist, first.genre, first.n_raters) == ("artist of classical/1", "classical", 2)
    assert [(clip.song_id, clip.audio.parent.name, clip.audio.name) for clip in others] == [
        ("101", "rock", "1.mp3"),
        ("202", "electronic", "2.mp3"),
        ("301", "pop", "1.mp3"),
    ]


def test_emotify_tags_a_song_with_what_a_quarter_of_its_listeners_felt(tmp_path: Path) -> None:
    MINIATURES["emotify"](tmp_path)
    assert [clip.tags for clip in load("emotify", tmp_path)] == [
        ("power", "joyful_activation"),
        ("tension",),
        ("nostalgia", "sadness"),
        ("amazement", "tenderness", "calmness"),
    ]
    assert emotify.tags_of([[1, 0] + 7 * [0], *3 * [[0, 0, 1] + 6 * [0]]]) == ("amazement", "tenderness")
    assert emotify.tags_of([[1, 0] + 7 * [0], *4 * [[0, 0, 1] + 6 * [0]]]) == ("tenderness",)


def test_tags_of_segments_and_tracks(tmp_path: Path) -> None:
    for name in BY_TAGS:
        MINIATURES[name](tmp_path)
    song = load("cal500", tmp_path)[1]
    assert (song.artist, song.title, song.tags) == ("aaron neville", "tell it", ("NOT-Emotion-Happy",))
    segments = [(clip.song_id, clip.start_s, clip.end_s, clip.tags) for clip in load("cal500exp", tmp_path)]
    assert segments[1] == ("2pac-trapped", 3.5, 6.0, ("Vocals-Rapping",))
    assert [clip.split for clip in load("jamendo", tmp_path)] == ["train", "val", "test"]
    assert load("jamendo", tmp_path)[1].tags == ("calm", "melodic")
    tuned = load("magnatagatune", tmp_path)
    assert [(clip.artist, clip.song_id, clip.tags) for clip in tuned] == [
        ("ann", "ann-album-01-song", ()),
        ("ann", "ann-album-01-song", ("calm",)),
        ("song bo-record-02-tune", "bo-record-02-tune", ()),
    ]


def test_cal500exp_takes_its_audio_from_cal500(tmp_path: Path) -> None:
    MINIATURES["cal500"](tmp_path)
    MINIATURES["cal500exp"](tmp_path)
    shutil.rmtree(tmp_path / "cal500exp" / "CAL500_32kps")
    assert validate("cal500exp", tmp_path) == []
    missing = tmp_path / "cal500" / "CAL500_32kps" / "2pac-trapped.mp3"
    missing.unlink()
    assert validate("cal500exp", tmp_path) == [
        f"cal500exp/2pac-trapped/1 and 1 more clips: {missing} is missing or empty."
    ]


def test_jamendo_takes_the_small_audio_where_only_that_is_here(tmp_path: Path) -> None:
    MINIATURES["jamendo"](tmp_path)
    (tmp_path / "jamendo" / "audio").rename(tmp_path / "jamendo" / "audio-low")
    for path in (tmp_path / "jamendo" / "audio-low").rglob("*.mp3"):
        path.rename(path.with_suffix(".low.mp3"))
    assert validate("jamendo", tmp_path) == []


# --- Curves -------------------------------------------------------------------------------------------------------


def test_curves_of_pmemo_are_in_order_and_leave_out_values_off_the_scale(tmp_path: Path) -> None:
    MINIATURES["pmemo"](tmp_path)
    curves = DATASETS["pmemo"].curves
    assert curves is not None
    [curve] = curves(tmp_path / "pmemo")["pmemo/1"]
    assert curve.times_s.tolist() == [15.5, 16.0]
    assert (curve.valence.tolist(), curve.arousal.tolist()) == ([0.0, -0.5], [0.5, 1.0])


def test_curves_of_cuts_are_cut_and_start_at_the_cut(tmp_path: Path) -> None:
    MINIATURES["deam"](tmp_path)
    MINIATURES["emomusic"](tmp_path)
    emomusic, deam = DATASETS["emomusic"].curves, DATASETS["deam"].curves
    assert emomusic is not None
    assert deam is not None
    [whole] = emomusic(tmp_path / "emomusic")["emomusic/2"]
    assert whole.times_s.tolist() == [29.5, 30.0, 39.5, 40.0]
    later = deam(tmp_path / "deam")
    assert {clip: curve.times_s.tolist() for clip, [curve] in later.items()} == {
        "deam/1001": [15.0],
        "deam/2001": [15.0, 15.5],
    }
    shutil.rmtree(tmp_path / "emomusic" / "clips_45sec")
    (tmp_path / "deam" / "MEMD_audio").rename(tmp_path / "deam" / "audio_10s")
    [cut] = emomusic(tmp_path / "emomusic")["emomusic/2"]
    assert cut.times_s.tolist() == [0.0, 9.5]
    assert cut.valence.tolist() == pytest.approx([0.2, 0.3])


def test_curves_of_vgmidi_are_each_listener_s_own(tmp_path: Path) -> None:
    vgmidi(tmp_path)
    curves = DATASETS["vgmidi"].curves
    assert curves is not None
    first, second = curves(tmp_path / "vgmidi")["vgmidi/0"]
    assert (first.listener, first.is_known, second.is_known) == ("piece0_1", False, True)
    assert second.times_s.tolist() == [1.0, 3.0]
    assert (second.valence.tolist(), second.arousal.tolist()) == ([0.5, 0.25], [0.5, 0.5])
    clip = load("vgmidi", tmp_path)[0]
    assert (clip.n_raters, clip.album, clip.artist) == (2, "Game", "series")


# --- What can be trained on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATASETS)
def test_sets_with_quadrants_and_audio_can_be_trained_on(tmp_path: Path, name: str) -> None:
    dataset = DATASETS[name]
    assert not dataset.is_trainable(tmp_path, tmp_path / "work")
    MINIATURES[name](tmp_path)
    assert dataset.is_trainable(tmp_path, tmp_path / "work") == (name not in BY_TAGS)


def test_a_set_with_few_of_its_files_cannot_be_trained_on(tmp_path: Path) -> None:
    MINIATURES["pmemo"](tmp_path)
    (tmp_path / "pmemo" / "chorus" / "1.mp3").unlink()
    assert not DATASETS["pmemo"].is_trainable(tmp_path, tmp_path / "work")
