"""Slow, minor, low, soft and joined: sparse pianos, bowed strings, dark rooms. Pure."""

from __future__ import annotations

from tools.demo_songs.score import Layer, Style
from tools.demo_songs.styles.rhythms import SPARSE, SPARSE_THREES

NOCTURNE = Style(
    layers=(
        Layer("arpeggio", "piano", "b.0.1.2.1.0.....", 52, -21.0, -0.15, 0.35, length=5.0, low_pass_hz=1400.0),
        Layer("pad", "strings", register=50, level_db=-28.0, reverb=0.4, sections="BC", length=1.05, low_pass_hz=900.0),
        Layer("guide", "cello", register=50, level_db=-23.0, pan=0.25, reverb=0.4, sections="C", low_pass_hz=1500.0),
        Layer("melody", "piano", register=64, level_db=-18.0, pan=0.1, reverb=0.4, sections="ABC", low_pass_hz=2000.0),
    ),
    rhythms=SPARSE,
    contour="fall",
    looseness_s=0.018,
    loudness_db=-23.0,
    room="hall",
    slows_down=True,
)
LAMENT = Style(
    layers=(
        Layer("pad", "strings", register=55, level_db=-22.0, reverb=0.4, length=1.08, low_pass_hz=1300.0),
        Layer("bass", "bowed bass", "r---------------", register=36, level_db=-22.0, reverb=0.3, length=1.0),
        Layer("guide", "strings", register=62, level_db=-24.0, pan=-0.3, reverb=0.4, sections="BC", low_pass_hz=1400.0),
        Layer(
            "melody", "cello", register=60, level_db=-18.0, reverb=0.4, sections="ABC", length=1.0, low_pass_hz=2000.0
        ),
    ),
    rhythms=SPARSE,
    contour="fall",
    looseness_s=0.02,
    loudness_db=-21.5,
    room="hall",
    slows_down=True,
)
TUNDRA = Style(
    layers=(
        Layer("drone", "wind", register=57, level_db=-31.0, reverb=0.3),
        Layer("drone", "bowed bass", register=36, level_db=-22.0, reverb=0.4),
        Layer("pad", "warm pad", register=51, level_db=-22.0, reverb=0.5, length=1.05, low_pass_hz=700.0),
        Layer("pad", "choir", register=57, level_db=-26.0, reverb=0.6, sections="BC", low_pass_hz=900.0),
        Layer(
            "melody", "bell", register=60, level_db=-23.0, reverb=0.6, sections="ABC", length=2.0, low_pass_hz=1600.0
        ),
    ),
    rhythms=("x---------------", "........x-------", "x-----------x---"),
    contour="fall",
    looseness_s=0.03,
    loudness_db=-23.0,
    room="cathedral",
    slows_down=True,
)
LAST_CALL = Style(
    layers=(
        Layer("drums", "", "brushes", level_db=-27.0, reverb=0.15, sections="ABC"),
        Layer("bass", "plucked bass", "r-----5-r-----a-", 36, -20.0, reverb=0.1, sections="ABC", low_pass_hz=600.0),
        Layer(
            "comp",
            "electric piano",
            "x-----x---------",
            55,
            -21.0,
            -0.2,
            0.25,
            length=1.0,
            roll_s=0.02,
            low_pass_hz=1300.0,
        ),
        Layer(
            "melody", "clarinet", register=60, level_db=-19.0, pan=0.15, reverb=0.35, sections="ABC", low_pass_hz=1800.0
        ),
        Layer("guide", "cello", register=50, level_db=-26.0, pan=0.3, reverb=0.35, sections="C", low_pass_hz=1200.0),
    ),
    rhythms=SPARSE,
    contour="fall",
    swing=0.28,
    looseness_s=0.02,
    loudness_db=-21.5,
    room="plate",
    slows_down=True,
)
WINTER = Style(
    layers=(
        Layer("arpeggio", "nylon guitar", "b.0.1.2.b.1.2.1.", 52, -20.0, -0.15, 0.3, length=4.0, low_pass_hz=1600.0),
        Layer("pad", "strings", register=50, level_db=-28.0, reverb=0.4, sections="BC", length=1.05, low_pass_hz=800.0),
        Layer("melody", "cello", register=57, level_db=-19.0, pan=0.15, reverb=0.4, sections="ABC", low_pass_hz=1600.0),
    ),
    rhythms=SPARSE,
    contour="fall",
    looseness_s=0.016,
    loudness_db=-22.0,
    room="hall",
    slows_down=True,
)
GREY_WALTZ = Style(
    layers=(
        Layer("drums", "", "brush waltz", level_db=-29.0, reverb=0.2, sections="BC"),
        Layer("bass", "bowed bass", "r-----------", 36, -24.0, reverb=0.3, sections="BC"),
        Layer("comp", "piano", "....x...o...", 57, -24.0, -0.15, 0.35, length=1.2, roll_s=0.015, low_pass_hz=1300.0),
        Layer("bass", "piano", "r-----------", 41, -22.0, -0.2, 0.3, low_pass_hz=900.0),
        Layer(
            "melody", "clarinet", register=62, level_db=-19.0, pan=0.1, reverb=0.4, sections="ABC", low_pass_hz=1700.0
        ),
    ),
    rhythms=SPARSE_THREES,
    contour="fall",
    steps_per_bar=12,
    looseness_s=0.018,
    loudness_db=-22.0,
    room="hall",
    slows_down=True,
)
