"""The variables of the environment that configure Moodplane: the source of the checks, `.env.example` and the docs."""

import re
from dataclasses import dataclass

_LINK = re.compile(r" \(\[[^)]*\)\)")


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: its default and meaning in words, and what its value must satisfy."""

    name: str
    default: str
    meaning: str
    example: str = ""
    choices: tuple[str, ...] = ()
    is_positive: bool = False


VARIABLES = (
    Variable("PORT", "`8000`", "the port on which `up` listens", "8000"),
    Variable("HOST", "`127.0.0.1`", "the address on which `up` listens", "0.0.0.0"),  # noqa: S104 - an example.
    Variable("MOODPLANE_VAR", "`./var`", "the folder of everything that is stored", "/srv/moodplane"),
    Variable("MEDIA_ROOT", "in `MOODPLANE_VAR`", "the folder of audio and covers", "/srv/moodplane/media"),
    Variable(
        "MUSIC_FOLDERS",
        "none",
        "folders of music, separated by colons, that the catalog follows ([how](uploads.md#folders-that-are-watched))",
        "/srv/music:/mnt/nas/music",
    ),
    Variable("MOODPLANE_INDEX_DIR", "in `MOODPLANE_VAR`", "the folder of the song index", "/srv/moodplane/index"),
    Variable("MOODPLANE_MODELS_DIR", "in `MOODPLANE_VAR`", "the folder of registered models", "/srv/moodplane/models"),
    Variable("MOODPLANE_ENV_FILE", "`.env`", "the file that sets the other variables; empty for none", ".env"),
    Variable("DATABASE_URL", "embedded", "PostgreSQL", "postgres://user:password@host/name"),
    Variable("CELERY_BROKER_URL", "embedded", "Redis as the message broker", "redis://host:6379/0"),
    Variable("CACHE_URL", "the broker", "Redis as the cache", "redis://host:6379/1"),
    Variable("SECRET_KEY", "stored in `var/secret_key`", "signs the cookies of sessions", "fifty random characters"),
    Variable("DEBUG", "off", "Django's debug pages; never in production", "on"),
    Variable(
        "ALLOWED_HOSTS",
        "local names",
        "host names, separated by commas; with `HOST=0.0.0.0` and none given, any",
        "music.example.org",
    ),
    Variable(
        "CSRF_TRUSTED_ORIGINS", "none", "origins that may post forms, such as a proxy's", "https://music.example.org"
    ),
    Variable(
        "MOODPLANE_HTTPS",
        "off",
        "behind a proxy that speaks TLS and sets `X-Forwarded-Proto`: secure cookies, HSTS",
        "on",
    ),
    Variable("MOODPLANE_PUBLIC", "on", "off: only people with an account read and listen", "off"),
    Variable(
        "MOODPLANE_SIGNUP",
        "what the staff chose; at first `open`",
        "who may make an account: anyone, or people with an invitation ([how](#accounts))",
        "invited",
        choices=("open", "invited"),
    ),
    Variable("MOODPLANE_X_ACCEL", "none", "the internal prefix under which nginx serves `MEDIA_ROOT`", "/protected/"),
    Variable(
        "MOODPLANE_STORAGE",
        "Django's `FileSystemStorage`",
        "the storage of audio and covers ([why](decisions/0010-zoo-and-storage.md))",
        "storages.backends.s3.S3Storage",
    ),
    Variable("MOODPLANE_STORAGE_OPTIONS", "none", "the storage's options as JSON", '{"bucket_name": "music"}'),
    Variable(
        "MOODPLANE_MEDIA_ORIGIN",
        "none",
        "the origin of addresses that the storage signs; when set, browsers fetch audio and covers there",
        "https://music.example.org",
    ),
    Variable(
        "MOODPLANE_DEVICE",
        "`auto`",
        "the device of the model and of retraining; N counts GPUs from 0",
        "cpu",
        choices=("auto", "cpu", "cuda", "cuda:N"),
    ),
    Variable("MOODPLANE_ENGINE", "`auto`", "the engine of the model", "torch", choices=("auto", "torch", "openvino")),
    Variable(
        "MOODPLANE_MODEL",
        "what is live; at first `hybrid-b3`",
        "the bundled model that goes live at the next start; `b3-fast` needs a third of the time and is less accurate",
        "b3-fast",
        choices=("hybrid-b3", "b3-fast"),
    ),
    Variable(
        "MOODPLANE_WEIGHTS",
        "the registry's live model",
        "a `.safetensors` file that serves in its place",
        "/srv/moodplane/model.safetensors",
    ),
    Variable("MOODPLANE_MAX_UPLOAD_BYTES", "500 MiB", "the size limit of a file", "524288000", is_positive=True),
    Variable("MOODPLANE_MAX_DURATION_S", "7200", "the length limit of a song in seconds", "7200", is_positive=True),
    Variable(
        "MOODPLANE_TRANSCODERS",
        "`2`",
        "songs that are converted at the same time, for browsers that cannot play a file and for slow lines "
        "([how](sound.md#converting-songs))",
        "2",
        is_positive=True,
    ),
    Variable(
        "MOODPLANE_TRANSCODED_BYTES",
        "2 GiB",
        "the size of the folder of converted songs; those that were played least recently go first",
        "2147483648",
        is_positive=True,
    ),
    Variable(
        "MOODPLANE_PRIVATE_ADDRESSES",
        "`off`",
        "whether curators may name servers of the own network for scrobbles and webhooks "
        "([why](elsewhere.md#private-addresses))",
        "curators",
        choices=("off", "curators"),
    ),
    Variable(
        "MOODPLANE_AUDIOMUSE",
        "off",
        "`/api/similar_tracks` and `/api/find_path`, as clients of AudioMuse ask for them "
        "([how](neighbours.md#clients-of-audiomuse))",
        "on",
    ),
    Variable("MOODPLANE_RATE_ANON", "`300/min`", "API requests of an address without an account", "300/min"),
    Variable("MOODPLANE_RATE_USER", "`1200/min`", "API requests of an account", "1200/min"),
    Variable("MOODPLANE_RATE_UPLOADS", "`600/min`", "uploads of an account", "600/min"),
    Variable("MOODPLANE_RATE_PLAYLISTS", "`120/min`", "playlists that a caller generates", "120/min"),
    Variable("MOODPLANE_RATE_RATINGS", "`240/min`", "ratings of a caller", "240/min"),
    Variable("MOODPLANE_RATE_AUTH", "`20/min`", "attempts to sign in or up", "20/min"),
    Variable(
        "MOODPLANE_RATE_SUBSONIC",
        "`3000/min`",
        "requests of one key, or of one listener's players by secret ([OpenSubsonic](subsonic.md))",
        "3000/min",
    ),
    Variable("MER_DATA", "`../shared/data`", "the folder of labelled datasets for training", "/srv/datasets"),
    Variable("LOG_LEVEL", "`INFO`", "the least severe messages that are logged", "WARNING"),
)


def env_example() -> str:
    """Return `.env.example`: every variable with its meaning, commented out."""
    lines = [
        "# Copy this file to .env, and remove the # before what you change.",
        "# `python -m tools.env_example` writes it.",
    ]
    for variable in VARIABLES:
        allowed = f" One of {', '.join(variable.choices)}." if variable.choices else ""
        meaning = f"{variable.meaning[0].upper()}{variable.meaning[1:]}.{allowed} Default: {variable.default}."
        lines += ["", f"# {_LINK.sub('', meaning).replace('`', '')}", f"# {variable.name}={variable.example}"]
    return "\n".join(lines) + "\n"


def settings_table() -> str:
    """Return the variables as a table in Markdown."""
    rows = ["| name | default | meaning |", "|---|---|---|"]
    for variable in VARIABLES:
        choices = ", ".join(f"`{choice}`" for choice in variable.choices)
        rows.append(f"| `{variable.name}` | {variable.default} | {variable.meaning}{choices and f': {choices}'} |")
    return "\n".join(rows)
