"""Where things are on the disk."""

import os
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parents[2]
env = environ.Env()
_env_file = Path(env.str("MOODPLANE_ENV_FILE", str(BASE_DIR / ".env")))
if _env_file.is_file():
    env.read_env(_env_file)  # Variables that are set already win.


def _folder(name: str, default: Path) -> Path:
    # Empty counts as not set, as it is written in files of settings; it must not become the folder one stands in.
    return Path(env.str(name, "") or default).expanduser().absolute()


MOODPLANE_VAR = _folder("MOODPLANE_VAR", BASE_DIR / "var")
MEDIA_ROOT = _folder("MEDIA_ROOT", MOODPLANE_VAR / "media")
MOODPLANE_INDEX_DIR = _folder("MOODPLANE_INDEX_DIR", MOODPLANE_VAR / "index")
MOODPLANE_MODELS_DIR = _folder("MOODPLANE_MODELS_DIR", MOODPLANE_VAR / "models")
# The clips on which the gate runs models.
MOODPLANE_HELD_OUT = BASE_DIR / "emotion" / "weights" / "held-out.npz"
# The rows of the zoo's table.
MOODPLANE_ZOO_RESULTS = BASE_DIR / "training" / "results" / "zoo.json"
STATIC_ROOT = MOODPLANE_VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_URL = "/static/"
MEDIA_URL = "/media/"  # Nothing is served from here: audio and covers pass through views that ask for permission.
MUSIC_FOLDERS = [
    Path(each).expanduser().absolute() for each in env.str("MUSIC_FOLDERS", "").split(os.pathsep) if each.strip()
]
# The labelled datasets that training reads; only `train` and `evaluate`, and tests marked for them, need it; the gate
# uses it for models of other inputs than the bundled one's.
MER_DATA = Path(env.str("MER_DATA", str(BASE_DIR.parent / "shared" / "data"))).expanduser().absolute()
