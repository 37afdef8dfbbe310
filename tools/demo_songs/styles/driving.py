"""Fast, minor, loud and rough: distorted basses, hard drums, odd metres, clashing figures."""

from __future__ import annotations

from tools.demo_songs.score import Layer, Style
from tools.demo_songs.styles.rhythms import FIVES, JABBING, RUNNING, SEVENS, SIXES

# A leaning of an eighth of the note is a semitone's bite where the mode has one above the chord.
_BITE = 0.125

MACHINE = Style(
    layers=(
        Layer("drums", "", "machine", level_db=-13.0, reverb=0.08, sections="ABC"),
        Layer("bass", "saw bass", "rrorr.o.rr5rrora", 33, -14.0, reverb=0.0, length=0.7, drive=0.8),
        Layer("comp", "power guitar", "X.....x.X..x....", 47, -17.0, reverb=0.1, sections="ABC", length=0.5, drive=0.9),
        Layer("ostinato", "saw lead", "0 . 1 0 . 4 3 . 0 . 1 0 . 6 5 .", 70, -20.0, 0.3, sections="BC", length=0.5),
        Layer("guide", "siren", register=74, level_db=-21.0, reverb=0.2, sections="IBC"),
        Layer("melody", "saw lead", register=67, level_db=-17.0, reverb=0.15, sections="AC", drive=0.8, length=0.7),
    ),
    rhythms=JABBING,
    contour="fall",
    looseness_s=0.001,
    loudness_db=-12.3,
    room="plate",
    leaning=0.7,
    lean_share=_BITE,
)
PRESS = Style(
    layers=(
        Layer("drums", "", "press", level_db=-13.0, reverb=0.08, sections="ABC"),
        Layer("bass", "reese bass", "rr.ro.rr.r5.ra", 33, -14.0, reverb=0.0, length=0.7, drive=0.9),
        Layer("comp", "braam", "X.....x.X.....", 45, -18.0, -0.15, 0.15, "ABC", length=0.5, drive=0.5),
        Layer("ostinato", "square lead", "0 1 . 0 . 4 . 3 1 . 0 . 6 5", 69, -20.0, 0.35, sections="BC", length=0.45),
        Layer("guide", "shriek", register=84, level_db=-24.0, reverb=0.3, sections="BC"),
        Layer("melody", "power guitar", register=62, level_db=-17.0, reverb=0.15, sections="AC", drive=1.0, length=0.7),
    ),
    rhythms=SEVENS,
    contour="wave",
    steps_per_bar=14,
    looseness_s=0.001,
    loudness_db=-12.3,
    room="plate",
    leaning=0.7,
    lean_share=_BITE,
)
BREAKS = Style(
    layers=(
        Layer("drums", "", "two step", level_db=-13.0, reverb=0.06, sections="ABC"),
        Layer("drums", "", "breakbeat", level_db=-17.0, reverb=0.1, sections="BC"),
        Layer("bass", "reese bass", "r-----r-..r--ra-", 34, -13.0, reverb=0.02, sections="ABC", drive=0.9),
        Layer("pad", "tremolo strings", register=65, level_db=-21.0, reverb=0.3, sections="IBC"),
        Layer("ostinato", "synth pluck", "0 4 1 0 5 4 1 0", 69, -20.0, -0.3, length=0.7, drive=0.7),
        Layer("guide", "siren", register=70, level_db=-24.0, pan=0.2, reverb=0.3, sections="IAC"),
        Layer("melody", "saw lead", "", 72, -18.0, 0.0, 0.2, "BC", length=0.7, drive=0.8, echo=0.15),
    ),
    rhythms=JABBING,
    contour="wave",
    looseness_s=0.002,
    loudness_db=-12.8,
    room="plate",
    leaning=0.6,
    lean_share=_BITE,
)
IRON = Style(
    layers=(
        Layer("drums", "", "gallop", level_db=-13.5, reverb=0.08, sections="ABC"),
        Layer("bass", "saw bass", "r.rrr.rrr.rrr.ra", 31, -16.0, reverb=0.0, length=0.8, drive=0.7),
        Layer("comp", "power guitar", "X.xxX.xxX.xxX.xx", 45, -15.0, -0.1, 0.08, length=0.55, drive=1.0),
        Layer("comp", "power guitar", "X-------X---X---", 52, -19.0, 0.1, 0.12, "BC", length=0.95, drive=0.9),
        Layer("melody", "power guitar", register=69, level_db=-17.0, reverb=0.2, sections="BC", length=0.8, drive=0.9),
        Layer("harmony", "power guitar", register=64, level_db=-21.0, pan=0.3, reverb=0.2, sections="C", drive=0.9),
    ),
    rhythms=RUNNING,
    contour="fall",
    looseness_s=0.004,
    loudness_db=-11.8,
    room="room",
    leaning=0.6,
    lean_share=_BITE,
)
HARROW = Style(
    layers=(
        Layer("drums", "", "harrow", level_db=-13.0, reverb=0.08, sections="ABC"),
        Layer("bass", "saw bass", "rrrrr.rr.rr.ra", 30, -16.0, reverb=0.0, length=0.8, drive=0.8),
        Layer("ostinato", "power guitar", "0 0 1 0 0 . 4 3 . 0 1 . 0 1", 40, -15.0, -0.3, 0.08, length=0.6, drive=1.0),
        Layer("comp", "power guitar", "X.....X...X...", 47, -17.0, 0.3, 0.1, "BC", length=0.8, drive=1.0),
        Layer("guide", "shriek", register=83, level_db=-25.0, reverb=0.3, sections="BC"),
        Layer("melody", "power guitar", register=66, level_db=-17.0, reverb=0.2, sections="C", length=0.7, drive=1.0),
    ),
    rhythms=SEVENS,
    contour="wave",
    steps_per_bar=14,
    looseness_s=0.003,
    loudness_db=-11.8,
    room="room",
    leaning=0.8,
    lean_share=_BITE,
)
NIGHT_DRIVE = Style(
    layers=(
        Layer("drums", "", "night drive", level_db=-14.0, reverb=0.12, sections="ABC"),
        Layer("bass", "saw bass", "rrrrrrr.rrr.rrra", 31, -14.5, reverb=0.0, length=0.7, drive=0.9),
        Layer("pad", "warm pad", register=55, level_db=-21.0, reverb=0.3, drive=0.6),
        Layer("arpeggio", "saw lead", "0121302101213021", 67, -21.0, 0.35, sections="BC", length=0.45, drive=0.5),
        Layer("comp", "braam", "X.......x.....x.", 41, -18.0, -0.1, 0.25, "ABC", length=0.9, drive=0.4),
        Layer("guide", "siren", register=72, level_db=-23.0, pan=-0.2, reverb=0.3, sections="IBC"),
        Layer("melody", "saw lead", register=65, level_db=-17.5, reverb=0.2, sections="AC", length=0.75, drive=0.9),
    ),
    rhythms=JABBING,
    contour="fall",
    looseness_s=0.001,
    loudness_db=-12.3,
    room="plate",
    leaning=0.7,
    lean_share=_BITE,
)
CHASE = Style(
    layers=(
        Layer("drums", "", "chase", level_db=-14.0, reverb=0.25, sections="ABC"),
        Layer("ostinato", "short strings", "0 0 1 0 0 3 0 0 1 0 0 1 0 4 3 0 1 0 6 1", 50, -16.0, -0.2, 0.2, length=0.6),
        Layer("ostinato", "short strings", "0 . 0 1 . 0 . 0 1 .", 67, -19.0, 0.35, 0.25, "BC", length=0.5),
        Layer("comp", "braam", "X...........X.......", 38, -17.0, 0.0, 0.25, "ABC", length=0.7),
        Layer("pad", "tremolo strings", register=70, level_db=-20.0, reverb=0.3, sections="IBC"),
        Layer("comp", "brass", "X..x....X.....X..x..", 60, -17.0, 0.1, 0.25, "BC", length=0.4, drive=0.7),
        Layer("melody", "brass", register=65, level_db=-16.5, reverb=0.25, sections="AC", length=0.7, drive=0.6),
    ),
    rhythms=FIVES,
    contour="wave",
    steps_per_bar=20,
    loudness_db=-13.3,
    room="hall",
    leaning=0.6,
    lean_share=_BITE,
)
STORM = Style(
    layers=(
        Layer("drums", "", "storm", level_db=-13.5, reverb=0.25, sections="ABC"),
        Layer("ostinato", "short strings", "0 2 1 0 2 1 4 2 1 3 2 1", 55, -16.0, -0.25, 0.25, length=0.55),
        Layer("bass", "saw bass", "r--r--r--r-a", 33, -15.5, reverb=0.1, drive=0.8, length=0.85),
        Layer("pad", "choir", register=64, level_db=-19.0, reverb=0.4, sections="BC"),
        Layer("pad", "organ", register=57, level_db=-19.0, reverb=0.25, sections="IABCO", drive=0.8),
        Layer("guide", "shriek", register=82, level_db=-25.0, reverb=0.35, sections="BC"),
        Layer("melody", "braam", register=62, level_db=-17.0, reverb=0.3, sections="ABC", length=0.8),
    ),
    rhythms=SIXES,
    contour="fall",
    steps_per_bar=12,
    steps_per_beat=6,
    loudness_db=-12.8,
    room="hall",
    leaning=0.6,
    lean_share=_BITE,
)
WIRE = Style(
    layers=(
        Layer("drums", "", "pursuit", level_db=-15.0, reverb=0.3, sections="ABC"),
        Layer("ostinato", "short strings", "0 1 0 . 0 1 0 . 4 0 1 . 0 . 1 0", 47, -16.0, -0.2, 0.2, length=0.5),
        Layer("comp", "shriek", "X.X.X.X...X..X..", 80, -17.5, 0.15, 0.3, "ABC", length=0.45),
        Layer("pad", "tremolo strings", register=72, level_db=-20.0, reverb=0.35),
        Layer("bass", "braam", "r---------r---a-", 34, -16.0, reverb=0.25, sections="BC", length=0.9),
        Layer("melody", "tremolo strings", register=76, level_db=-17.0, reverb=0.3, sections="AC", length=0.7),
    ),
    rhythms=JABBING,
    contour="rise",
    looseness_s=0.006,
    loudness_db=-13.3,
    room="hall",
    leaning=0.8,
    lean_share=_BITE,
)
