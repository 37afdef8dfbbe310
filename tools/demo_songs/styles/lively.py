"""Fast, major, bright and detached: dances and songs for the open air. Pure."""

from __future__ import annotations

from tools.demo_songs.score import Layer, Style
from tools.demo_songs.styles.rhythms import LIVELY, RUNNING, SIXES, SYNCOPATED

HOUSE = Style(
    layers=(
        Layer("drums", "", "house", level_db=-14.0, reverb=0.06, sections="ABC"),
        Layer(
            "bass", "saw bass", "..r...r...r...ro", register=40, level_db=-17.0, reverb=0.0, sections="ABC", length=0.8
        ),
        Layer("comp", "synth pluck", "x..x..x...x.x...", register=67, level_db=-20.0, pan=0.2, length=0.5, echo=0.25),
        Layer("pad", "warm pad", register=62, level_db=-24.0, reverb=0.3, sections="IBCO", length=1.0, duck=0.6),
        Layer("arpeggio", "synth pluck", "0213421302134213", 74, -24.0, -0.35, sections="BC", length=0.5, echo=0.3),
        Layer("melody", "saw lead", register=77, level_db=-17.5, reverb=0.25, sections="ABC", length=0.8, echo=0.2),
    ),
    rhythms=SYNCOPATED,
    contour="rise",
    looseness_s=0.002,
    loudness_db=-13.8,
    room="plate",
)
DISCO = Style(
    layers=(
        Layer("drums", "", "disco", level_db=-14.0, reverb=0.08, sections="ABC"),
        Layer("bass", "plucked bass", "r.or.or.r.or5.oa", register=40, level_db=-16.0, reverb=0.02, length=0.8),
        Layer("comp", "electric piano", "..x...x.x.x...x.", register=64, level_db=-19.0, pan=-0.25, length=0.6),
        Layer("comp", "guitar", "x.xx..x.x.xx.xx.", 67, -23.0, 0.4, 0.1, "ABC", length=0.3, roll_s=0.004),
        Layer("pad", "strings", register=74, level_db=-23.0, reverb=0.35, sections="BC"),
        Layer("comp", "brass", "x..x......x.....", 70, -21.0, 0.15, 0.2, "C", length=0.45),
        Layer("melody", "brass", register=74, level_db=-17.0, reverb=0.2, sections="ABC", length=0.75),
    ),
    rhythms=SYNCOPATED,
    contour="arch",
    loudness_db=-14.3,
    room="room",
)
SUNSHINE = Style(
    layers=(
        Layer("drums", "", "pop", level_db=-15.0, reverb=0.1, sections="ABC"),
        Layer("bass", "plucked bass", "r-.r..r-r-.r5-a-", register=40, level_db=-16.0, reverb=0.02, sections="ABC"),
        Layer("comp", "ukulele", "x.xxx.xxx.xxx.xx", 69, -18.5, -0.2, 0.1, length=0.6, roll_s=0.012),
        Layer("comp", "guitar", "x...x.xx..x.x.xx", 60, -21.0, 0.35, sections="ABC", length=0.8, roll_s=0.012),
        Layer("guide", "organ", register=72, level_db=-25.0, sections="BC", length=1.0),
        Layer("harmony", "vibraphone", register=74, level_db=-22.0, pan=0.25, sections="C"),
        Layer("melody", "whistle", register=79, level_db=-18.0, reverb=0.25, sections="ABC", length=0.85),
    ),
    rhythms=LIVELY,
    contour="rise",
    loudness_db=-14.8,
    room="room",
)
REEL = Style(
    layers=(
        Layer("drums", "", "train", level_db=-18.0, reverb=0.1, sections="BC"),
        Layer("bass", "plucked bass", "r...5...r...5.a.", register=43, level_db=-17.0, reverb=0.05, sections="ABC"),
        Layer("comp", "guitar", "x.o.X.oxx.o.X.ox", 58, -19.0, 0.3, length=0.7, roll_s=0.01),
        Layer("arpeggio", "nylon guitar", "02130213", 62, -23.0, -0.35, sections="BC", length=1.2),
        Layer("harmony", "clarinet", register=70, level_db=-22.0, pan=-0.2, sections="C", length=0.8),
        Layer("melody", "violin", register=77, level_db=-16.0, reverb=0.2, sections="ABCO", length=0.8),
    ),
    rhythms=RUNNING,
    contour="wave",
    looseness_s=0.007,
    loudness_db=-15.3,
    room="room",
)
JIG = Style(
    layers=(
        Layer("drums", "", "jig", level_db=-18.0, reverb=0.1, sections="ABC"),
        Layer("bass", "plucked bass", "r..5..r..5.a", register=43, level_db=-17.0, reverb=0.05, sections="ABC"),
        Layer("comp", "guitar", "X.oX.ox.oX.o", 60, -19.0, 0.3, length=0.8, roll_s=0.01),
        Layer("comp", "accordion", "..x..x..x..x", 67, -20.0, -0.3, sections="ABC", length=0.45),
        Layer("melody", "whistle", register=81, level_db=-17.0, reverb=0.2, sections="ABCO", length=0.85),
        Layer("harmony", "violin", register=74, level_db=-21.0, pan=-0.2, sections="C", length=0.85),
    ),
    rhythms=SIXES,
    contour="wave",
    steps_per_bar=12,
    steps_per_beat=6,
    looseness_s=0.007,
    loudness_db=-15.3,
    room="room",
)
ISLAND = Style(
    layers=(
        Layer("drums", "", "samba", level_db=-17.0, reverb=0.1, sections="ABC"),
        Layer("bass", "plucked bass", "r--5--o-r--5--a-", register=43, level_db=-16.0, reverb=0.02, sections="ABC"),
        Layer("comp", "nylon guitar", "x..x..x..x..x.x.", 62, -20.0, 0.3, length=0.7, roll_s=0.008),
        Layer("arpeggio", "marimba", "0.21.3.20.21.324", 69, -19.0, -0.3, length=1.5),
        Layer("comp", "brass", "......x.x.......", 70, -23.0, 0.1, sections="C", length=0.5),
        Layer("melody", "flute", register=79, level_db=-17.0, reverb=0.25, sections="ABC", length=0.85),
    ),
    rhythms=SYNCOPATED,
    contour="rise",
    loudness_db=-15.3,
    room="room",
)
ARCADE = Style(
    layers=(
        Layer("drums", "", "arcade", level_db=-15.0, reverb=0.04, sections="ABC"),
        Layer("bass", "square lead", "r.r.o.r.r.r.o.5a", 43, -18.0, reverb=0.0, length=0.6, low_pass_hz=1200.0),
        Layer("arpeggio", "square lead", "0123210301232103", 72, -24.0, -0.4, length=0.55, echo=0.3),
        Layer("pad", "glass pad", register=64, level_db=-24.0, reverb=0.3, sections="BC"),
        Layer("harmony", "square lead", register=76, level_db=-23.0, pan=0.35, sections="C", length=0.7),
        Layer(
            "melody", "square lead", register=81, level_db=-18.0, reverb=0.15, sections="ABCO", length=0.75, echo=0.2
        ),
    ),
    rhythms=RUNNING,
    contour="rise",
    looseness_s=0.0,
    loudness_db=-14.3,
    room="plate",
)
