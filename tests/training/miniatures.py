"""Each dataset in little, made by our own code in the official file layout; and rows that spoil one.

`MINIATURES[name](root)` writes `root/<folder>` with one clip in each quadrant, or three clips of a set of tags, and
audio of a fraction of a second. `SPOILED` lists rows to be added, with what validation must say of each.
"""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mido

from tests.audio_fixtures import make_audio

QUADRANTS = ("Q1", "Q2", "Q3", "Q4")
# A point in each quadrant, on a scale from -1 to 1.
POINTS = {"Q1": (0.5, 0.5), "Q2": (-0.5, 0.5), "Q3": (-0.5, -0.5), "Q4": (0.5, -0.5)}


def write(path: Path, *lines: str, encoding: str = "utf-8") -> None:
    """Write a table or a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)


@cache
def _recording() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return make_audio(Path(folder) / "recording.mp3", 0.3, channels=1).read_bytes()


def sound(path: Path) -> None:
    """Put a recording of 0.3 s there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_recording())


def silence(path: Path) -> None:
    """Put a recording there that has a header and no frames."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)


def midi(notes: list[tuple[int, int, int]], *, pedal: bool = False, beat_ticks: int = 480) -> bytes:
    """Return a MIDI file of notes (start and length in beats, pitch) at 120 beats a minute."""
    events = [(0, mido.MetaMessage("set_tempo", tempo=500_000))]
    if pedal:
        events.append((0, mido.Message("control_change", control=64, value=127)))
    for start, length, pitch in notes:
        events.append((start * beat_ticks, mido.Message("note_on", note=pitch, velocity=80)))
        events.append(((start + length) * beat_ticks, mido.Message("note_off", note=pitch)))
    track, before = mido.MidiTrack(), 0
    for now, event in sorted(events, key=lambda pair: (pair[0], pair[1].type == "note_on")):
        track.append(event.copy(time=now - before))
        before = now
    file = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=beat_ticks, tracks=[track]).save(file=file)
    return file.getvalue()


def zip_midis(path: Path, midis: dict[str, bytes]) -> Path:
    """Write an archive as EMOPIA and VGMIDI have it, with what a Mac adds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for stem, content in midis.items():
            archive.writestr(f"midis/{stem}.mid", content)
            archive.writestr(f"__MACOSX/midis/._{stem}.mid", b"not music")
    return path


def qaed(root: Path) -> None:
    folder = root / "4qaed"
    write(folder / "panda_dataset_taffc_annotations.csv", "Song,Quadrant", *(f"MT{q[1]},{q}" for q in QUADRANTS))
    write(
        folder / "panda_dataset_taffc_metadata.csv",
        '"Song","Artist","Title","Quadrant","MoodsStrSplit","GenresStr"',
        '"MT1","Björk","A, again","Q1","Gleeful, Manic","Pop/Rock"',
        '"MT3","","B","Q3","","Jazz, Latin"',
        encoding="latin-1",
    )
    for quadrant in QUADRANTS:
        sound(folder / quadrant / f"MT{quadrant[1]}.mp3")


def pmemo(root: Path) -> None:
    folder = root / "pmemo"
    write(
        folder / "metadata.csv",
        "musicId,fileName,title,artist,album,duration,chorus_start_time,chorus_end_time",
        *(f'{n},{n}.mp3,"Song, {n}",The  Band,Album {n},32.1,02:35,03:05' for n in range(1, 5)),
    )
    points = [(0.5 + a / 2, 0.5 + v / 2) for v, a in POINTS.values()]
    rows = [f"{n},{arousal},{valence}" for n, (arousal, valence) in enumerate(points, start=1)]
    write(folder / "annotations" / "static_annotations.csv", "musicId,Arousal(mean),Valence(mean)", *rows)
    write(
        folder / "annotations" / "dynamic_annotations.csv",
        "musicId,frameTime,Arousal(mean),Valence(mean)",
        "1,16.0,1.0,0.25",
        "1,15.5,0.75,0.5",
        "1,16.5,0.75,7.0",
    )
    for number in range(1, 5):
        sound(folder / "chorus" / f"{number}.mp3")


def emomusic(root: Path) -> None:
    folder = root / "emomusic"
    rows = [f"{n},{5 + 4 * a},1,{5 + 4 * v},1" for n, (v, a) in enumerate(POINTS.values(), start=2)]
    annotations = folder / "annotations"
    write(annotations / "static_annotations.csv", "song_id,mean_arousal,std_arousal,mean_valence,std_valence", *rows)
    write(
        annotations / "songs_info.csv",
        '"song_id","file_name","Artist","Song title","start of the segment (min.sec)","Genre"',
        *(f'{n},"\t{n}.mp3","Kevin  MacLeod\t","\tSong {n}\t","\t0.36","\tBlues\t"' for n in range(2, 5)),
    )
    for axis, value in (("valence", 0.1), ("arousal", -0.1)):
        header = "song_id,sample_29500ms,sample_30000ms,sample_39500ms,sample_40000ms"
        write(annotations / f"{axis}_cont_average.csv", header, f"2,{value},{2 * value},{3 * value},{4 * value}")
    for number in range(2, 6):
        sound(folder / "clips_45sec" / f"{number}.mp3")


def deam(root: Path) -> None:
    """DEAM as its archives unpack: song 10 is one of Emotion in Music, with its columns swapped."""
    folder = root / "deam"
    static = folder / "annotations" / "annotations averaged per song" / "song_level"
    rows = [f"{n}, {5 + 4 * v}, 1, {5 + 4 * a}, 1" for n, (v, a) in enumerate(POINTS.values(), start=1001)]
    write(
        static / "static_annotations_averaged_songs_1_2000.csv",
        "song_id, valence_mean, valence_std, arousal_mean, arousal_std",
        "10, 9, 1, 1, 1",
        *rows[:3],
    )
    write(
        static / "static_annotations_averaged_songs_2000_2058.csv",
        "song_id, valence_mean, valence_std, arousal_mean, arousal_std",
        rows[3].replace("1004", "2001"),
    )
    dynamic = static.parent / "dynamic (per second annotations)"
    for axis in ("valence", "arousal"):
        write(
            dynamic / f"{axis}.csv", "song_id,sample_15000ms,sample_15500ms", "10,0.1,0.1", "1001,0.2,", "2001,0.3,0.4"
        )
    write(folder / "metadata" / "metadata_2014.csv", "Id,Artist,Album,Track,Genre", "1001,Ann,First,One,Rock")
    write(
        folder / "metadata" / "metadata_2015.csv", "id,Filename,title,artist,album,genre", "2001,x,Two,Bo,Second,Jazz"
    )
    for number in (1001, 1002, 1003, 2001):
        sound(folder / "MEMD_audio" / f"{number}.mp3")


def bimodal(root: Path) -> None:
    folder = root / "bimodal"
    rows = [f"{q},{4 * v},{4 * a}" for q, (v, a) in POINTS.items()]
    write(folder / "bimodal_annotations.csv", "Song,Valence,Arousal", *(f"S{row}" for row in rows))
    write(folder / "bimodal_metadata.csv", "Song,Artist,Title", "SQ1,Ann,One", "SQ2,ann ,Two")
    for quadrant in QUADRANTS:
        sound(folder / quadrant / f"S{quadrant}.mp3")


def emotify(root: Path) -> None:
    folder = root / "emotify"
    header = (
        "track id, genre, amazement, solemnity, tenderness, nostalgia, calmness, power, joyful_activation, tension, "
        "sadness, mood, liked, disliked, age, gender, mother tongue"
    )
    rest = "3,1,0,21,1,English"
    write(
        folder / "data.csv",
        header,
        f"1,classical,0,0,0,0,0,1,1,0,0,{rest}",
        f"1,classical,0,0,0,0,0,0,1,0,0,{rest}",
        f"101,rock,0,0,0,0,0,0,0,1,0,{rest}",
        f"202,electronic,0,0,0,1,0,0,0,0,1,{rest}",
        f"301,pop,1,0,1,0,1,0,0,0,0,{rest}",
    )
    for name in ("classical/1", "rock/1", "electronic/2", "pop/1"):
        make_audio(folder / f"{name}.mp3", 0.3, channels=1, tags={"artist": f"Artist of {name}"})


def emopia(root: Path) -> None:
    folder = root / "emopia"
    names = [f"{quadrant}_0vLP_YiPN_{i}" for i, quadrant in enumerate(QUADRANTS)]
    write(folder / "label.csv", "ID,4Q,annotator", *(f"{name},{name[1]},D" for name in names))
    write(folder / "train.csv", "fname,label", *(f"{name},{name[:2]}" for name in names[:3]))
    write(folder / "val.csv", "fname,label", f"{names[3]},Q4")
    zip_midis(folder / "midis.zip", {name: midi([(0, 1, 60 + i)]) for i, name in enumerate(names)})
    for name in names:
        sound(folder / "audio" / f"{name}.mp3")


def vgmidi(root: Path) -> None:
    """VGMIDI, with its rendered audio in `root/work`."""
    folder = root / "vgmidi"
    header = "id,series,console,game,piece,midi,valence,arousal"
    rows, pieces, annotations, midis = [], {}, {}, {}
    for i, (quadrant, (valence, arousal)) in enumerate(POINTS.items()):
        stem = f"Series_N64_Game_{quadrant}"
        rows.append(f"{i},Series,N64,Game,{quadrant},midi/{stem}.mid,{int(valence * 2)},{int(arousal * 2)}")
        pieces[f"piece{i}"] = {"midi": f"{stem}.mid", "duration": 4.0, "measures": 2, "name": quadrant}
        for listener in (1, 2):
            # The second listener has one measure more of arousal.
            curve = {"valence": [valence, valence / listener], "arousal": [arousal] * (1 + listener)}
            annotations[f"piece{i}_{listener}"] = {**curve, "isKnown": listener == 2}
        midis[stem] = midi([(0, 1, 60 + i)])
        make_audio(root / "work" / "vgmidi" / f"{stem}.flac", 0.3, channels=1)
    write(folder / "vgmidi_labelled.csv", header, *rows)
    for part in (1, 2):
        ours = {key: value for key, value in annotations.items() if (int(key[5]) < 2) == (part == 1)}
        raw = json.dumps({"pieces": pieces, "annotations": ours})
        (folder / f"vgmidi_raw_{part}.json.gz").write_bytes(gzip.compress(raw.encode()))
    zip_midis(folder / "midis.zip", midis)


def merge(root: Path) -> None:
    folder = root / "merge" / "MERGE_Audio_Complete"
    write(
        folder / "merge_audio_complete_metadata.csv",
        "Song,Quadrant,AllMusic Id,Artist,Title,Year,MoodsAll,Genres",
        *(f'A{q},{q},MT,Ann,"Song, {q}",1999,"Gleeful, Manic","Jazz, Latin"' for q in QUADRANTS),
    )
    points = [f"A{q},{0.5 + a / 2},{0.5 + v / 2}" for q, (v, a) in POINTS.items()]
    write(folder / "merge_audio_complete_av_values.csv", "Song,Arousal,Valence", *points)
    for part, quadrant in (("train", "Q1"), ("validate", "Q2"), ("test", "Q3")):
        path = folder / "tvt_dataframes" / "tvt_70_15_15" / f"tvt_70_15_15_{part}_audio_complete.csv"
        write(path, "Song,Quadrant", f"A{quadrant},{quadrant}")
    for quadrant in QUADRANTS:
        sound(folder / quadrant / f"A{quadrant}.mp3")


def cal500(root: Path) -> None:
    folder = root / "cal500"
    names = ("2pac-trapped", "aaron_neville-tell_it", "10cc-for_you")
    write(folder / "songNames.txt", *names)
    write(folder / "vocab.txt", "Emotion-Happy", "NOT-Emotion-Happy", "Usage-Driving")
    write(folder / "hardAnnotations.txt", "1,0,1", "0,1,0", "0,0,0")
    write(folder / "softAnnotations.txt", "0.75,0,1", "0,1,0.25", "0.5,0.5,0")
    for name in names:
        sound(folder / "CAL500_32kps" / f"{name}.mp3")


def cal500exp(root: Path) -> None:
    folder = root / "cal500exp"
    header = "Start_Time,End_Time,Emotion-Happy,Vocals-Rapping"
    rows = ("0.000000,3.5,1.000000,0.000000", "3.5,6,0.000000,1.000000")
    write(folder / "SegLabelHard" / "2pac-trapped.csv", header, *rows)
    write(folder / "SegLabelHard" / "aaron_neville-tell_it.csv", header, rows[0])
    for name in ("2pac-trapped", "aaron_neville-tell_it"):
        sound(folder / "CAL500_32kps" / f"{name}.mp3")


def jamendo(root: Path) -> None:
    folder = root / "jamendo"
    header = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"
    rows = [
        f"track_000000{n}\tartist_00000{n // 2}\talbum_00000{n}\t0{n}/{n}.mp3\t200.5\tmood/theme---calm"
        for n in range(1, 4)
    ]
    rows[1] += "\tmood/theme---melodic"
    write(folder / "autotagging_moodtheme.tsv", header, *rows)
    for part, row in zip(("train", "validation", "test"), rows, strict=True):
        write(folder / f"autotagging_moodtheme-{part}.tsv", header, row)
    write(folder / "moodtheme.txt", "mood/theme---calm", "mood/theme---epic", "mood/theme---melodic")
    for number in range(1, 4):
        sound(folder / "audio" / f"0{number}" / f"{number}.mp3")


def magnatagatune(root: Path) -> None:
    folder = root / "magnatagatune"
    paths = ("f/ann-album-01-song-0-29.mp3", "f/ann-album-01-song-30-59.mp3", "6/bo-record-02-tune-0-29.mp3")
    rows = [f'"{n}"\t"{n % 2}"\t"0"\t"{path}"' for n, path in enumerate(paths, start=2)]
    write(folder / "annotations_final.csv", '"clip_id"\t"calm"\t"no voice"\t"mp3_path"', *rows)
    write(
        folder / "clip_info_final.csv",
        '"clip_id"\t"track_number"\t"title"\t"artist"\t"album"\t"url"\t"segmentStart"\t"segmentEnd"\t"mp3_path"',
        '"2"\t"1"\t"Song"\t"Ann"\t"Album"\t"http"\t"0"\t"29"\t"f"',
        '"3"\t"1"\t"Song"\t"Ann"\t"Album"\t"http"\t"30"\t"59"\t"f"',
    )
    for path in paths:
        sound(folder / path)


MINIATURES: dict[str, Callable[[Path], None]] = {
    "4qaed": qaed,
    "pmemo": pmemo,
    "emomusic": emomusic,
    "deam": deam,
    "bimodal": bimodal,
    "emotify": emotify,
    "emopia": emopia,
    "vgmidi": vgmidi,
    "merge": merge,
    "cal500": cal500,
    "cal500exp": cal500exp,
    "jamendo": jamendo,
    "magnatagatune": magnatagatune,
}


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A row to be added to a table of a miniature.

    Attributes:
        name: Of the dataset.
        table: Below its folder.
        row: To be added.
        said: What validation must say of it.
    """

    name: str
    table: str
    row: str
    said: str


_STATIC = "annotations/annotations averaged per song/song_level/static_annotations_averaged_songs_2000_2058.csv"
_TAFFC = "panda_dataset_taffc_annotations.csv"
_MERGE = "MERGE_Audio_Complete/merge_audio_complete_metadata.csv"
_EMOMUSIC = "annotations/static_annotations.csv"

SPOILED = (
    Spoiled("4qaed", _TAFFC, "MT9,Q5", "line 6: Quadrant is 'Q5'; it must be one of Q1, Q2, Q3, Q4"),
    Spoiled("4qaed", _TAFFC, "MT1,Q2", "line 6: 4qaed/MT1 is there already"),
    Spoiled("pmemo", _EMOMUSIC, "9,0.5,1.25", "line 6: Valence(mean) is '1.25'; it must be a number from 0 to 1"),
    Spoiled("pmemo", _EMOMUSIC, "9,,0.5", "line 6: Arousal(mean) is ''; it must be a number from 0 to 1"),
    Spoiled("pmemo", _EMOMUSIC, "1,0.5,0.5", "line 6: pmemo/1 is there already"),
    Spoiled("emomusic", _EMOMUSIC, "9,5,1,11,1", "line 6: mean_valence is '11'; it must be a number from 1 to 9"),
    Spoiled("emomusic", _EMOMUSIC, "x,5,1,5,1", "line 6: song_id is 'x'; it must be a whole number"),
    Spoiled("emomusic", _EMOMUSIC, "2,5,1,5,1", "line 6: emomusic/2 is there already"),
    Spoiled("deam", _STATIC, "2002, 5, 1, nan, 1", "line 3: arousal_mean is 'nan'; it must be a number from 1 to 9"),
    Spoiled("deam", _STATIC, "1001, 5, 1, 5, 1", "line 3: deam/1001 is there already"),
    Spoiled(
        "bimodal", "bimodal_annotations.csv", "S5,4.5,0", "line 6: Valence is '4.5'; it must be a number from -4 to 4"
    ),
    Spoiled("bimodal", "bimodal_annotations.csv", "SQ1,0,0", "line 6: bimodal/SQ1 is there already"),
    Spoiled("emotify", "data.csv", "1,classical,0,0,2,0,0,0,0,0,0,3", "line 7: tenderness is '2'; it must be 0 or 1"),
    Spoiled(
        "emotify", "data.csv", "401,pop,0,0,0,0,0,0,0,0,0,3", "line 7: track id is '401'; it must be from 1 to 400"
    ),
    Spoiled("emopia", "label.csv", "Q1_x_0,0,D", "line 6: 4Q is '0'; it must be one of Q1, Q2, Q3, Q4"),
    Spoiled("emopia", "label.csv", "Q1_0vLP_YiPN_0,2,D", "line 6: emopia/Q1_0vLP_YiPN_0 is there already"),
    Spoiled("vgmidi", "vgmidi_labelled.csv", "9,S,N,G,P,midi/x.mid,1,2", "line 6: arousal is '2'; it must be a number"),
    Spoiled("vgmidi", "vgmidi_labelled.csv", "0,S,N,G,P,midi/x.mid,1,1", "line 6: vgmidi/0 is there already"),
    Spoiled("merge", _MERGE, "A9,Q,MT,Ann,X,1999,,", "line 6: Quadrant is 'Q'; it must be one of Q1, Q2, Q3, Q4"),
    Spoiled("merge", _MERGE, "AQ1,Q1,MT,Ann,X,1999,,", "line 6: merge/AQ1 is there already"),
    Spoiled(
        "merge",
        "MERGE_Audio_Complete/merge_audio_complete_av_values.csv",
        "AQ4,2,0",
        "line 6: Arousal is '2'; it must be",
    ),
    Spoiled(
        "cal500exp", "SegLabelHard/2pac-trapped.csv", "6,9,0.5,0", "line 4: Emotion-Happy is '0.5'; it must be 0 or 1"
    ),
    Spoiled("cal500exp", "SegLabelHard/2pac-trapped.csv", "6,6,0,0", "line 4: End_Time is '6'; it must be after"),
    Spoiled(
        "jamendo",
        "autotagging_moodtheme.tsv",
        "track_0000001\tartist_000009\talbum_000009\t01/1.mp3\t9\tmood/theme---calm",
        "line 5: jamendo/track_0000001 is there already",
    ),
    Spoiled(
        "magnatagatune", "annotations_final.csv", '"9"\t"3"\t"0"\t"f/x.mp3"', "line 5: calm is '3'; it must be 0 or 1"
    ),
    Spoiled(
        "magnatagatune", "annotations_final.csv", '"2"\t"0"\t"0"\t"f/x.mp3"', "line 5: magnatagatune/2 is there already"
    ),
)
