import csv
from collections import Counter
from pathlib import Path

import pytest

from emotion.quadrants import Quadrant
from training.datasets import DATASETS, DatasetError
from training.datasets.emopia import render_midis


@pytest.mark.needs_data
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("4qaed", (225, 225, 225, 225)),
        ("emomusic", (251, 73, 307, 113)),
        ("deam", (187, 49, 230, 78)),
        ("emotify", (114, 100, 69, 117)),
    ],
)
def test_the_real_files_give_these_counts(
    mer_data: Path, tmp_path: Path, name: str, counts: tuple[int, int, int, int]
) -> None:
    dataset = DATASETS[name]
    clips = dataset.load(mer_data / dataset.folder, tmp_path)
    found = Counter(clip.quadrant for clip in clips)
    assert tuple(found[quadrant] for quadrant in Quadrant) == counts
    assert len({clip.id for clip in clips}) == len(clips)
    assert dataset.validate(mer_data, tmp_path) == []


@pytest.mark.needs_data
def test_emotify_s_known_duplicates_share_their_group(mer_data: Path, tmp_path: Path) -> None:
    clips = {clip.id: clip for clip in DATASETS["emotify"].load(mer_data / "emotify", tmp_path)}
    assert clips["emotify/176"].artist == clips["emotify/170"].artist
    assert clips["emotify/366"].artist == clips["emotify/359"].artist


@pytest.mark.needs_data
def test_emomusic_is_not_read_from_deam_s_swapped_file(mer_data: Path, tmp_path: Path) -> None:
    clips = {clip.id: clip for clip in DATASETS["emomusic"].load(mer_data / "emomusic", tmp_path)}
    path = mer_data / "emomusic" / "annotations" / "static_annotations.csv"
    with path.open(newline="") as file:
        first = next(csv.DictReader(file))
    clip = clips[f"emomusic/{first['song_id']}"]
    assert clip.valence == pytest.approx((float(first["mean_valence"]) - 5) / 4)
    assert clip.arousal == pytest.approx((float(first["mean_arousal"]) - 5) / 4)


@pytest.mark.parametrize(("name", "expected"), [("4qaed", "metadata.csv"), ("emotify", "data.csv"), ("deam", "static")])
def test_a_wrong_folder_gets_a_sentence(tmp_path: Path, name: str, expected: str) -> None:
    problems = DATASETS[name].validate(tmp_path, tmp_path)
    assert len(problems) == 1
    assert expected in problems[0]
    assert "MER_DATA" in problems[0]


def write_4qaed(root: Path) -> None:
    folder = root / "4qaed"
    folder.mkdir()
    songs = {"MT1": "Q1", "MT2": "Q3"}
    (folder / "panda_dataset_taffc_annotations.csv").write_text(
        "Song,Quadrant\n" + "".join(f"{song},{q}\n" for song, q in songs.items())
    )
    (folder / "panda_dataset_taffc_metadata.csv").write_text(
        '"Song","Artist","Title"\n"MT1","Björk","A"\n"MT2","","B"\n', encoding="latin-1"
    )
    for song, quadrant in songs.items():
        (folder / quadrant).mkdir()
        (folder / quadrant / f"{song}.mp3").write_bytes(b"audio")


def test_the_official_layout_of_4qaed(tmp_path: Path) -> None:
    write_4qaed(tmp_path)
    clips = DATASETS["4qaed"].load(tmp_path / "4qaed", tmp_path)
    assert [(clip.song_id, clip.artist, clip.quadrant) for clip in clips] == [
        ("MT1", "björk", Quadrant.Q1),
        ("MT2", "song MT2", Quadrant.Q3),
    ]
    (tmp_path / "4qaed" / "Q1" / "MT1.mp3").write_bytes(b"")
    [problem] = DATASETS["4qaed"].validate(tmp_path, tmp_path)
    assert problem.startswith("4qaed/MT1:")
    assert problem.endswith("MT1.mp3 is missing or empty.")


def test_rendering_without_fluidsynth_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "midis.zip", "w") as archive:
        archive.writestr("midis/Q1_x_0.mid", b"MThd")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(DatasetError, match="needs fluidsynth"):
        render_midis(tmp_path / "midis.zip", tmp_path / "out")
