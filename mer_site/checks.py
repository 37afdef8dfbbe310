"""Settings that cannot work stop the start, with a sentence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.files.storage import FileSystemStorage, storages

from mer_site.settings.environment import VARIABLES


@register()
def settings_check(**_: Any) -> list[CheckMessage]:
    """Check what came from the environment."""
    return [*_choices(), *_numbers(), *_weights(), *_storage(), *_postgres(), *_secret_key(), *_var()]


def _choices() -> list[CheckMessage]:
    return [
        Error(f"{one.name} is {value!r}, but must be one of {', '.join(one.choices)}.", id="moodplane.E001")
        for one in VARIABLES
        if one.choices and (value := getattr(settings, one.name)) not in one.choices
    ]


def _numbers() -> list[CheckMessage]:
    return [
        Error(f"{one.name} is {value}, but must be above zero.", id="moodplane.E002")
        for one in VARIABLES
        if one.is_positive and (value := getattr(settings, one.name)) <= 0
    ]


def _weights() -> list[CheckMessage]:
    weights = settings.MOODPLANE_WEIGHTS
    if weights is None or Path(weights).is_file():
        return []
    return [Error(f"MOODPLANE_WEIGHTS names {weights}, and there is no such file.", id="moodplane.E003")]


def _storage() -> list[CheckMessage]:
    if not settings.MOODPLANE_MEDIA_ORIGIN or not isinstance(storages["default"], FileSystemStorage):
        return []
    return [
        Error(
            "MOODPLANE_MEDIA_ORIGIN is set, but files on this machine's disk have no address there; unset it, or set "
            "MOODPLANE_STORAGE.",
            id="moodplane.E005",
        )
    ]


def _postgres() -> list[CheckMessage]:
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine in ("django.db.backends.postgresql", "mer_site.local.backend"):
        return []
    return [
        Error(
            f"DATABASE_URL names a {engine.rsplit('.', 1)[-1]} database; Moodplane needs PostgreSQL (postgres://...).",
            id="moodplane.E004",
        )
    ]


def _secret_key() -> list[CheckMessage]:
    if os.environ.get("SECRET_KEY") or (settings.MOODPLANE_VAR / "secret_key").exists():
        return []
    return [
        CheckWarning(
            f"No SECRET_KEY is set and none could be kept in {settings.MOODPLANE_VAR}, so everybody is signed out at "
            "each restart. Set SECRET_KEY, or make that directory writable.",
            id="moodplane.W001",
        )
    ]


def _var() -> list[CheckMessage]:
    # The nearest directory that exists decides whether the others can be made.
    nearest = next(each for each in (settings.MOODPLANE_VAR, *settings.MOODPLANE_VAR.parents) if each.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return []
    return [
        CheckWarning(
            f"{nearest} cannot be written, so nothing can be kept in MOODPLANE_VAR ({settings.MOODPLANE_VAR}).",
            id="moodplane.W002",
        )
    ]
