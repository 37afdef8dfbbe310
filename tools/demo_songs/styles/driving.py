"""Fast, minor, loud and rough: distorted basses, hard drums, dissonant figures. Pure."""

from __future__ import annotations

from tools.demo_songs.score import Layer, Style
from tools.demo_songs.styles.rhythms import JABBING, RUNNING, SIXES

MACHINE = Style(
    layers=(
        Layer("drums", "", "machine", level_db=-13.0, reverb=0.08, sections="ABC"),
        Layer("bass", "saw bass", "rrorrorrrr5rrora", 33, -14.0, reverb=0.0, length=0.7, drive=0.7),
        Layer("comp", "power guitar", "X.....x.X..x....", 47, -18.0, reverb=0.1, sections="ABC", length=0.5, drive=0.9),
        Layer(
            "ostinato",
            "saw lead",
            "0 . 1 0 . 4 3 . 0 . 1 0 . 6 5 .",
            70,
            -21.0,
            0.3,
            sections="BC",
            length=0.5,
            echo=0.3,
        ),
        Layer("pad", "tremolo strings", register=67, level_db=-24.0, reverb=0.3, sections="IBC"),
        Layer("melody", "saw lead", register=69, level_db=-18.0, reverb=0.2, sections="AC", drive=0.6, length=0.8),
    ),
    rhythms=JABBING,
    contour="fall",
    looseness_s=0.001,
    loudness_db=-11.0,
    room="plate",
)
BREAKS = Style(
    layers=(
        Layer("drums", "", "two step", level_db=-13.0, reverb=0.06, sections="ABC"),
        Layer("drums", "", "breakbeat", level_db=-18.0, reverb=0.1, sections="BC"),
        Layer(
            "bass",
            "reese bass",
            "r-----r-..r--ra-",
            register=34,
            level_db=-13.5,
            reverb=0.02,
            sections="ABC",
            drive=0.5,
        ),
        Layer("pad", "tremolo strings", register=65, level_db=-23.0, reverb=0.4),
        Layer("ostinato", "synth pluck", "0 4 1 0 5 4 1 0", 73, -22.0, -0.3, length=0.7, echo=0.35),
        Layer(
            "melody",
            "saw lead",
            register=72,
            level_db=-19.0,
            reverb=0.3,
            sections="BC",
            length=0.8,
            drive=0.4,
            echo=0.2,
        ),
    ),
    rhythms=JABBING,
    contour="wave",
    looseness_s=0.002,
    loudness_db=-11.5,
    room="plate",
)
IRON = Style(
    layers=(
        Layer("drums", "", "gallop", level_db=-13.5, reverb=0.08, sections="ABC"),
        Layer("bass", "saw bass", "r.rrr.rrr.rrr.ra", 31, -16.0, reverb=0.0, length=0.8, drive=0.6),
        Layer("comp", "power guitar", "X.xxX.xxX.xxX.xx", 45, -15.0, -0.1, 0.08, length=0.55, drive=1.0),
        Layer("comp", "power guitar", "X-------X---X---", 52, -19.0, 0.1, 0.12, "BC", length=0.95, drive=0.9),
        Layer("melody", "power guitar", register=69, level_db=-18.0, reverb=0.25, sections="BC", length=0.9, drive=0.9),
        Layer("harmony", "power guitar", register=64, level_db=-22.0, pan=0.3, reverb=0.2, sections="C", drive=0.9),
    ),
    rhythms=RUNNING,
    contour="fall",
    looseness_s=0.004,
    loudness_db=-10.5,
    room="room",
)
NIGHT_DRIVE = Style(
    layers=(
        Layer("drums", "", "night drive", level_db=-14.0, reverb=0.12, sections="ABC"),
        Layer("bass", "saw bass", "rrrrrrrrrrrrrrra", 33, -15.0, reverb=0.0, length=0.75, drive=0.5, duck=0.3),
        Layer("pad", "warm pad", register=58, level_db=-22.0, reverb=0.35, duck=0.6),
        Layer("arpeggio", "saw lead", "0121302101213021", 69, -23.0, 0.35, sections="BC", length=0.5, echo=0.3),
        Layer("comp", "brass", "X.......x.....x.", 60, -21.0, -0.2, 0.3, "BC", length=0.6, drive=0.4),
        Layer(
            "melody",
            "saw lead",
            register=72,
            level_db=-18.0,
            reverb=0.3,
            sections="AC",
            length=0.85,
            drive=0.5,
            echo=0.25,
        ),
    ),
    rhythms=JABBING,
    contour="fall",
    looseness_s=0.001,
    loudness_db=-11.5,
    room="plate",
)
CHASE = Style(
    layers=(
        Layer("drums", "", "chase", level_db=-14.0, reverb=0.25, sections="ABC"),
        Layer("ostinato", "short strings", "0 0 1 0 0 3 0 1 0 0 1 0 4 3 1 0", 50, -16.0, -0.2, 0.2, length=0.6),
        Layer("ostinato", "short strings", "0 . 0 0 . 0 0 . 0 . 0 0 1 0 1 0", 67, -20.0, 0.35, 0.25, "BC", length=0.5),
        Layer("bass", "brass", "r-------r---a---", 36, -17.0, reverb=0.25, sections="ABC", drive=0.4),
        Layer("pad", "tremolo strings", register=70, level_db=-21.0, reverb=0.35, sections="IBC"),
        Layer("comp", "brass", "X..x......X..x..", 60, -19.0, reverb=0.25, sections="C", length=0.5, drive=0.3),
        Layer("melody", "brass", register=65, level_db=-17.0, reverb=0.3, sections="BC", length=0.8, drive=0.3),
    ),
    rhythms=JABBING,
    contour="wave",
    loudness_db=-12.0,
    room="hall",
)
STORM = Style(
    layers=(
        Layer("drums", "", "storm", level_db=-14.0, reverb=0.3, sections="ABC"),
        Layer("ostinato", "short strings", "0 2 1 0 2 1 4 2 1 3 2 1", 55, -17.0, -0.25, 0.25, length=0.6),
        Layer("bass", "saw bass", "r--r--r--r-a", 33, -16.0, reverb=0.1, drive=0.6, length=0.85),
        Layer("pad", "choir", register=64, level_db=-20.0, reverb=0.45, sections="BC"),
        Layer("pad", "organ", register=57, level_db=-21.0, reverb=0.3, sections="IABCO", drive=0.5),
        Layer("melody", "tremolo strings", register=74, level_db=-17.0, reverb=0.35, sections="ABC"),
    ),
    rhythms=SIXES,
    contour="fall",
    steps_per_bar=12,
    steps_per_beat=6,
    loudness_db=-12.0,
    room="hall",
)
