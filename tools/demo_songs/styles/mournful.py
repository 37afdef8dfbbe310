"""Slow, minor, low, soft and joined: sobbing soloists, felt pianos, bowed strings, dark rooms."""

from __future__ import annotations

from tools.demo_songs.score import Layer, Style
from tools.demo_songs.styles.rhythms import SIGHING, SPARSE, SPARSE_THREES

NOCTURNE = Style(
    layers=(
        Layer("arpeggio", "felt piano", "b...0...1...2...", 52, -21.0, -0.15, 0.35, length=6.0, low_pass_hz=800.0),
        Layer("pad", "strings", register=48, level_db=-28.0, reverb=0.4, sections="BC", length=1.05, low_pass_hz=600.0),
        Layer("guide", "cello", register=48, level_db=-25.0, pan=0.25, reverb=0.4, sections="C", low_pass_hz=900.0),
        Layer("melody", "felt piano", "", 62, -17.5, 0.1, 0.4, "ABC", length=1.2),
    ),
    rhythms=SIGHING,
    contour="fall",
    looseness_s=0.02,
    loudness_db=-24.0,
    room="hall",
    slows_down=True,
    rubato=0.14,
    leaning=0.5,
    reach=4,
)
VIGIL = Style(
    layers=(
        Layer("comp", "felt piano", "x-------o-------", 52, -21.0, -0.1, 0.35, length=1.3, roll_s=0.03),
        Layer("bass", "bowed bass", "r---------------", 36, -25.0, reverb=0.3, sections="BC", length=1.05),
        Layer("guide", "cello", register=50, level_db=-25.0, pan=0.25, reverb=0.4, sections="BC", low_pass_hz=900.0),
        Layer("melody", "lone voice", register=60, level_db=-18.0, reverb=0.45, sections="ABC", length=1.08),
    ),
    rhythms=SIGHING,
    contour="fall",
    looseness_s=0.02,
    loudness_db=-23.0,
    room="cathedral",
    slows_down=True,
    rubato=0.12,
    leaning=0.6,
    reach=4,
)
LAMENT = Style(
    layers=(
        Layer("pad", "strings", register=52, level_db=-22.0, reverb=0.4, length=1.08, low_pass_hz=800.0),
        Layer("bass", "bowed bass", "r---------------", 36, -22.0, reverb=0.3, length=1.05),
        Layer("guide", "strings", "", 58, -25.0, -0.3, 0.4, "BC", length=1.05, low_pass_hz=900.0),
        Layer("melody", "weeping cello", "", 57, -17.0, 0.1, 0.4, "ABC", length=1.08, low_pass_hz=1500.0),
    ),
    rhythms=SIGHING,
    contour="fall",
    looseness_s=0.02,
    loudness_db=-22.0,
    room="hall",
    slows_down=True,
    rubato=0.14,
    leaning=0.6,
    reach=4,
)
TUNDRA = Style(
    layers=(
        Layer("drone", "wind", register=57, level_db=-36.0, reverb=0.3),
        Layer("bass", "sub bass", "r---------------", 38, -25.0, reverb=0.2, length=1.05),
        Layer("pad", "glass pad", register=55, level_db=-23.0, reverb=0.5, length=1.05, low_pass_hz=600.0),
        Layer("pad", "choir", register=57, level_db=-27.0, reverb=0.6, sections="BC", low_pass_hz=800.0),
        Layer("melody", "duduk", register=59, level_db=-18.0, reverb=0.5, sections="ABC", length=1.1),
    ),
    rhythms=SIGHING,
    contour="fall",
    looseness_s=0.03,
    loudness_db=-23.0,
    room="cathedral",
    slows_down=True,
    rubato=0.1,
    leaning=0.6,
    reach=4,
)
LAST_CALL = Style(
    layers=(
        Layer("drums", "", "brushes", level_db=-31.0, reverb=0.15, sections="BC"),
        Layer("bass", "plucked bass", "r-------r-----a-", 36, -21.0, reverb=0.1, sections="ABC", low_pass_hz=400.0),
        Layer("comp", "felt piano", "x-------........", 53, -21.0, -0.2, 0.25, length=1.2, roll_s=0.03),
        Layer("melody", "clarinet", "", 58, -18.0, 0.15, 0.35, "ABC", length=1.03, low_pass_hz=1100.0),
        Layer("guide", "cello", register=50, level_db=-26.0, pan=0.3, reverb=0.35, sections="C", low_pass_hz=900.0),
    ),
    rhythms=SPARSE,
    contour="fall",
    swing=0.2,
    looseness_s=0.025,
    loudness_db=-22.5,
    room="plate",
    slows_down=True,
    rubato=0.08,
    leaning=0.5,
    reach=5,
)
WINTER = Style(
    layers=(
        Layer("arpeggio", "nylon guitar", "b...0...1...2...", 50, -21.0, -0.15, 0.3, length=5.0, low_pass_hz=900.0),
        Layer("pad", "strings", register=48, level_db=-28.0, reverb=0.4, sections="BC", length=1.05, low_pass_hz=600.0),
        Layer("melody", "weeping cello", "", 57, -17.5, 0.15, 0.4, "ABC", length=1.05, low_pass_hz=1300.0),
    ),
    rhythms=SIGHING,
    contour="fall",
    looseness_s=0.018,
    loudness_db=-22.5,
    room="hall",
    slows_down=True,
    rubato=0.12,
    leaning=0.5,
    reach=4,
)
GREY_WALTZ = Style(
    layers=(
        Layer("bass", "bowed bass", "r-----------", 36, -25.0, reverb=0.3, sections="BC"),
        Layer("comp", "felt piano", "....x...o...", 55, -24.0, -0.15, 0.35, length=1.4, roll_s=0.02),
        Layer("bass", "felt piano", "r-----------", 41, -22.0, -0.2, 0.3, length=1.1),
        Layer("melody", "clarinet", "", 59, -18.0, 0.1, 0.4, "AC", length=1.03, low_pass_hz=1200.0),
        Layer("melody", "weeping cello", "", 55, -18.0, -0.1, 0.4, "B", length=1.05, low_pass_hz=1300.0),
    ),
    rhythms=SPARSE_THREES,
    contour="fall",
    steps_per_bar=12,
    looseness_s=0.022,
    loudness_db=-23.0,
    room="hall",
    slows_down=True,
    rubato=0.14,
    leaning=0.5,
    reach=4,
)
