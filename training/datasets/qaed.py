"""4QAED, the Bi-Modal Emotion Dataset and MERGE: thirty-second clips with quadrants, in the layout of one group.

**4QAED**: 900 clips, 225 in each quadrant.
Paper: Panda, Malheiro, Paiva (2020), Novel Audio Features for Music Emotion Recognition, IEEE TAFFC 11(4).
Source: https://mir.dei.uc.pt/downloads.html. Licence: research set with commercial previews; never redistributed.
Labels: AllMusic mood tags validated by listeners, read as quadrants by the authors; there is no valence and arousal to
convert. Layout, seen: `panda_dataset_taffc_annotations.csv`, `panda_dataset_taffc_metadata.csv`, `Q1/` to `Q4/` with
`<song>.mp3`.

**Bi-Modal**: 162 clips (133 with lyrics that agree), rated by 39 people.
Paper: Malheiro, Panda, Gomes, Paiva (2016), Bi-Modal Music Emotion Recognition: Novel Lyrical Features and Dataset,
MML. Source: https://mir.dei.uc.pt/downloads.html. Licence: research only, as its authors' other sets. Scale: -4 to 4
on both axes. Converted by Table 2 of Cazzaniga et al.: strictly above 0 is high. Layout, not seen: the archive behind
the authors' page could not be inspected, and no public code that reads it was found. It is read as the group's other
sets: `*annotations*.csv` with `Song` and either `Valence` and `Arousal` or `Quadrant`; `*metadata*.csv` with `Song`,
`Artist` and `Title`; `Q1/` to `Q4/` with `<song>.mp3`, or all of them in `audio/`.

**MERGE** (audio): 3,554 clips (3,232 balanced), extending 4QAED.
Paper: Louro, Redinho, Santos, Malheiro, Panda, Paiva (2024), MERGE: A Bimodal Audio-Lyrics Dataset for Static Music
Emotion Recognition, arXiv:2407.06060. Source: https://zenodo.org/records/13939205. Licence: CC BY-NC-SA 4.0 for the
annotations; commercial previews, never redistributed. Labels: quadrants from AllMusic mood tags, validated by
listeners; valence and arousal from 0 to 1 with the midpoint at .5, computed from the same tags. The quadrant is the
published one. Layout, as public code reads the record at Zenodo: `MERGE_Audio_Complete/` or `MERGE_Audio_Balanced/`
with `merge_audio_<subset>_metadata.csv`, `merge_audio_<subset>_av_values.csv`, `Q1/` to `Q4/` with `<Song>.mp3`, and
the published split in `tvt_dataframes/tvt_70_15_15/`. Part of 4QAED is in it, under 4QAED's own ids: search for
duplicates before both are merged.
"""

from __future__ import annotations

from pathlib import Path

from emotion.inference.quadrants import Quadrant
from training.datasets import base
from training.datasets.base import Clip, Dataset, DatasetError, Reading, Row, audio_file, collect, rows_by, song_clip

_BIMODAL_SCALE, _MERGE_SCALE = base.Scale(-4, 4), base.Scale(0, 1)
_MERGE_SUBSETS = ("complete", "balanced")
_MERGE_SPLITS = {"train": "train", "validate": "val", "test": "test"}


def _by_song(clip: Clip) -> str:
    return clip.song_id


def read_qaed(folder: Path, work_dir: Path) -> Reading:
    """Read annotations and metadata; the audio is `Q?/<song>.mp3`, or the same name in another format."""
    metadata, annotations = (folder / f"panda_dataset_taffc_{name}.csv" for name in ("metadata", "annotations"))
    base.required(metadata, annotations)
    songs = rows_by("Song", metadata, "Artist", "Title", encoding="latin-1")

    def build(row: Row) -> Clip:
        song, quadrant = row["Song"], row.quadrant("Quadrant")
        known = songs.get(song, base.UNKNOWN)
        about = known.about(artist="Artist", title="Title", genre="GenresStr")
        tags = tuple(tag for tag in known.get("MoodsStrSplit").split(", ") if tag)
        return song_clip("4qaed", song, audio_file(folder / quadrant.name, song), quadrant, tags=tags, **about)

    return collect(base.table(annotations, "Song", "Quadrant"), build, order=_by_song)


def read_bimodal(folder: Path, work_dir: Path) -> Reading:
    """Read annotations and metadata; rated valence and arousal decide the quadrant where both are there."""
    annotations, metadata = (_only(folder, kind) for kind in ("annotations", "metadata"))
    songs = rows_by("Song", metadata, "Artist")
    rows = base.table(annotations, "Song")
    columns = rows[0].cells.keys() if rows else ()
    is_rated = {"Valence", "Arousal"} <= set(columns)
    if not is_rated and "Quadrant" not in columns:
        raise DatasetError(f"{annotations} has neither Valence and Arousal nor Quadrant among its columns.")

    def build(row: Row) -> Clip:
        song = row["Song"]
        point = row.point(_BIMODAL_SCALE, valence="Valence", arousal="Arousal") if is_rated else None
        quadrant = Quadrant.from_valence_arousal(*point) if point else row.quadrant("Quadrant")
        # A song may lie in another quadrant's folder than the one that its ratings give.
        names = (quadrant.name, *(other.name for other in Quadrant), "audio")
        places = [audio_file(folder / name, song) for name in names]
        audio = next((path for path in places if path.exists()), places[0])
        about = songs.get(song, base.UNKNOWN).about(artist="Artist", title="Title", album="Album", genre="Genre")
        return song_clip("bimodal", song, audio, quadrant, point=point, **about)

    return collect(rows, build, order=_by_song)


def _only(folder: Path, kind: str) -> Path:
    found = sorted(folder.glob(f"*{kind}*.csv"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DatasetError(
            f"Expected one *{kind}*.csv at {folder / f'*{kind}*.csv'}, found {names}; point MER_DATA at the folder "
            "that holds the datasets."
        )
    return found[0]


def read_merge(folder: Path, work_dir: Path) -> Reading:
    """Read the complete subset, or the balanced one where only that is here."""
    metadata = base.one_of(
        *(
            place / f"merge_audio_{subset}_metadata.csv"
            for subset in _MERGE_SUBSETS
            for place in (folder / f"MERGE_Audio_{subset.title()}", folder)
        )
    )
    root, subset = metadata.parent, metadata.stem.split("_")[2]
    values = rows_by("Song", root / f"merge_audio_{subset}_av_values.csv", "Valence", "Arousal")
    published = root / "tvt_dataframes" / "tvt_70_15_15"
    paths = {split: published / f"tvt_70_15_15_{name}_audio_{subset}.csv" for name, split in _MERGE_SPLITS.items()}
    splits = {row["Song"]: split for split, path in paths.items() if path.exists() for row in base.table(path, "Song")}

    def build(row: Row) -> Clip:
        song, quadrant = row["Song"], row.quadrant("Quadrant")
        rated = values.get(song)
        point = rated.point(_MERGE_SCALE, valence="Valence", arousal="Arousal") if rated else None
        more = {"split": splits.get(song, ""), **row.about(artist="Artist", title="Title", genre="Genres")}
        tags = tuple(tag.strip() for tag in row.get("MoodsAll").split(",") if tag.strip())
        audio = audio_file(root / quadrant.name, song)
        return song_clip("merge", song, audio, quadrant, point=point, tags=tags, **more)

    return collect(base.table(metadata, "Song", "Quadrant", "Artist", "Title"), build, order=_by_song)


_PREVIEWS = "commercial previews, never redistributed"
QAED = Dataset("4qaed", f"research only; {_PREVIEWS}", read_qaed)
BIMODAL = Dataset("bimodal", "research only", read_bimodal)
MERGE = Dataset("merge", f"CC BY-NC-SA 4.0; {_PREVIEWS}", read_merge)
