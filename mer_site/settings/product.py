"""What the product does and allows."""

from pathlib import Path

from mer_site.settings.paths import BASE_DIR, env

MOODPLANE_DEVICE = env.str("MOODPLANE_DEVICE", "auto")
MOODPLANE_ENGINE = env.str("MOODPLANE_ENGINE", "auto")
MOODPLANE_MAX_UPLOAD_BYTES = env.int("MOODPLANE_MAX_UPLOAD_BYTES", 500 * 1024 * 1024)
MOODPLANE_MAX_DURATION_S = env.float("MOODPLANE_MAX_DURATION_S", 2 * 3600.0)
MOODPLANE_TRANSCODERS = env.int("MOODPLANE_TRANSCODERS", 2)
MOODPLANE_TRANSCODED_BYTES = env.int("MOODPLANE_TRANSCODED_BYTES", 2 * 1024**3)
MOODPLANE_X_ACCEL = env.str("MOODPLANE_X_ACCEL", "")
MOODPLANE_MEDIA_ORIGIN = env.str("MOODPLANE_MEDIA_ORIGIN", "")
# "curators" lets curators name addresses of this machine's own network; "off" nobody.
MOODPLANE_PRIVATE_ADDRESSES = env.str("MOODPLANE_PRIVATE_ADDRESSES", "off")
# Endpoints that clients of AudioMuse know, at /api/.
MOODPLANE_AUDIOMUSE = env.bool("MOODPLANE_AUDIOMUSE", False)

# One of the bundled models; named by hand, it replaces another bundled one that is live.
_model = env.str("MOODPLANE_MODEL", "")
MOODPLANE_MODEL, MOODPLANE_MODEL_CHOSEN = _model or "hybrid-b3", bool(_model)
_bundled = BASE_DIR / "emotion" / "weights" / f"{MOODPLANE_MODEL}.safetensors"
_shipped = _bundled if _bundled.is_file() else None
_weights = env.str("MOODPLANE_WEIGHTS", "")
# Weights named by hand serve whatever is live in the registry of models.
MOODPLANE_WEIGHTS_PINNED = bool(_weights)
MOODPLANE_WEIGHTS: Path | None = Path(_weights).expanduser().absolute() if _weights else _shipped
