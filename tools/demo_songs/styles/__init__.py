"""Ways of playing. The cues are those that listeners are known to read emotion from. Pure.

Source: Juslin & Laukka (2004), Expression, perception, and induction of musical emotions, Table 3; Gabrielsson &
Lindström (2010), The role of structure in the musical expression of emotions.
"""

from __future__ import annotations

from tools.demo_songs.score import Style
from tools.demo_songs.styles import driving, lively, mournful, tranquil

STYLES: dict[str, Style] = {
    "house": lively.HOUSE,
    "disco": lively.DISCO,
    "sunshine": lively.SUNSHINE,
    "reel": lively.REEL,
    "jig": lively.JIG,
    "island": lively.ISLAND,
    "arcade": lively.ARCADE,
    "machine": driving.MACHINE,
    "press": driving.PRESS,
    "harrow": driving.HARROW,
    "wire": driving.WIRE,
    "breaks": driving.BREAKS,
    "iron": driving.IRON,
    "night drive": driving.NIGHT_DRIVE,
    "chase": driving.CHASE,
    "storm": driving.STORM,
    "nocturne": mournful.NOCTURNE,
    "vigil": mournful.VIGIL,
    "lament": mournful.LAMENT,
    "tundra": mournful.TUNDRA,
    "last call": mournful.LAST_CALL,
    "winter": mournful.WINTER,
    "grey waltz": mournful.GREY_WALTZ,
    "drift": tranquil.DRIFT,
    "campfire": tranquil.CAMPFIRE,
    "dusty": tranquil.DUSTY,
    "music box": tranquil.MUSIC_BOX,
    "pastoral": tranquil.PASTORAL,
    "hammock": tranquil.HAMMOCK,
}
