"""Unhurried, major, soft and warm: pads, plucked strings, small bells. Pure."""

from __future__ import annotations

from tools.demo_songs.score import Layer, Style
from tools.demo_songs.styles.rhythms import FLOWING, SPARSE, THREES

DRIFT = Style(
    layers=(
        Layer("pad", "warm pad", register=60, level_db=-20.0, reverb=0.5, length=1.08),
        Layer("pad", "glass pad", register=72, level_db=-25.0, reverb=0.5, sections="BCO", length=1.05),
        Layer("bass", "sub bass", "r---------------", 36, -23.0, reverb=0.0, sections="ABC"),
        Layer("arpeggio", "harp", "0...2...1...3...", 64, -23.0, -0.3, 0.45, sections="ABC", length=4.0, echo=0.3),
        Layer(
            "melody",
            "glass bell",
            register=79,
            level_db=-24.0,
            pan=0.2,
            reverb=0.5,
            sections="ABC",
            length=1.5,
            echo=0.3,
        ),
    ),
    rhythms=SPARSE,
    contour="arch",
    rubato=0.04,
    looseness_s=0.015,
    loudness_db=-20.0,
    room="cathedral",
    slows_down=True,
)
CAMPFIRE = Style(
    layers=(
        Layer("arpeggio", "guitar", "b.2.1.3.b.2.1.2.", 60, -18.0, -0.2, 0.2, length=3.0, low_pass_hz=2600.0),
        Layer("comp", "nylon guitar", "x.......x.....o.", 57, -24.0, 0.35, 0.2, "BC", length=1.0, roll_s=0.03),
        Layer("drums", "", "campfire", level_db=-29.0, reverb=0.15, sections="BC"),
        Layer("bass", "plucked bass", "r-------5-----a-", 43, -22.0, reverb=0.1, sections="ABC", low_pass_hz=900.0),
        Layer("melody", "flute", register=74, level_db=-19.0, pan=0.15, reverb=0.35, sections="ABC"),
    ),
    rhythms=FLOWING,
    contour="arch",
    rubato=0.04,
    looseness_s=0.012,
    loudness_db=-19.0,
    room="hall",
    slows_down=True,
)
DUSTY = Style(
    layers=(
        Layer("drums", "", "dusty", level_db=-21.0, reverb=0.1, sections="ABC"),
        Layer("bass", "sub bass", "r-----..r--.5-..", 38, -19.0, reverb=0.0, sections="ABC"),
        Layer(
            "comp",
            "electric piano",
            "x-----x---o-----",
            62,
            -18.0,
            -0.1,
            0.25,
            length=1.0,
            roll_s=0.012,
            low_pass_hz=2400.0,
        ),
        Layer("melody", "vibraphone", register=74, level_db=-20.0, pan=0.25, reverb=0.3, sections="AC", echo=0.2),
        Layer("melody", "nylon guitar", register=69, level_db=-20.0, pan=-0.25, reverb=0.3, sections="B"),
    ),
    rhythms=FLOWING,
    contour="arch",
    swing=0.2,
    looseness_s=0.012,
    loudness_db=-18.5,
    room="plate",
)
MUSIC_BOX = Style(
    layers=(
        Layer("bass", "harp", "r---5---5---", 50, -22.0, -0.1, 0.3, length=1.5),
        Layer("comp", "harp", "....x...o...", 64, -23.0, -0.25, 0.35, length=1.5, roll_s=0.02),
        Layer(
            "pad", "strings", register=62, level_db=-27.0, reverb=0.45, sections="BC", length=1.05, low_pass_hz=2200.0
        ),
        Layer("drums", "", "soft waltz", level_db=-31.0, reverb=0.2, sections="BC"),
        Layer("melody", "music box", register=79, level_db=-19.0, pan=0.1, reverb=0.4, sections="ABC", length=1.4),
    ),
    rhythms=THREES,
    contour="arch",
    steps_per_bar=12,
    rubato=0.04,
    looseness_s=0.012,
    loudness_db=-20.0,
    room="hall",
    slows_down=True,
)
PASTORAL = Style(
    layers=(
        Layer("pad", "strings", register=60, level_db=-22.0, reverb=0.4, length=1.06, low_pass_hz=2600.0),
        Layer("arpeggio", "harp", "0.1.2.3.4.3.2.1.", 60, -20.0, -0.3, 0.35, length=3.0),
        Layer("bass", "pizzicato", "r-------5-------", 43, -22.0, 0.1, 0.25, sections="ABC"),
        Layer("harmony", "clarinet", register=67, level_db=-23.0, pan=-0.2, reverb=0.35, sections="C"),
        Layer("melody", "flute", register=76, level_db=-19.0, pan=0.15, reverb=0.35, sections="ABC"),
    ),
    rhythms=FLOWING,
    contour="arch",
    rubato=0.04,
    looseness_s=0.014,
    loudness_db=-19.5,
    room="hall",
    slows_down=True,
)
HAMMOCK = Style(
    layers=(
        Layer("comp", "nylon guitar", "x--x--x---x-x---", 60, -19.0, 0.25, 0.25, length=0.95, roll_s=0.01),
        Layer("bass", "plucked bass", "r-----5-r-----5-", 41, -20.0, reverb=0.05, sections="ABC", low_pass_hz=900.0),
        Layer("drums", "", "campfire", level_db=-27.0, reverb=0.15, sections="ABC"),
        Layer("pad", "glass pad", register=67, level_db=-27.0, reverb=0.4, sections="BC"),
        Layer("melody", "vibraphone", register=74, level_db=-19.0, pan=-0.15, reverb=0.3, sections="ABC", length=1.2),
    ),
    rhythms=FLOWING,
    contour="arch",
    looseness_s=0.012,
    loudness_db=-19.0,
    room="plate",
    slows_down=True,
)
