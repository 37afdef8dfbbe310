"""Checks at the start: a setting that cannot work stops it, with a sentence."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.files.storage import FileSystemStorage, storages

from catalog.files.storage import holds_media
from mer_site.settings.environment import VARIABLES


@register()
def settings_check(**_: Any) -> list[CheckMessage]:
    """Check the settings that the environment sets."""
    return [*_errors(), *_warnings()]


def _errors() -> Iterator[CheckMessage]:
    for each in VARIABLES:
        value: Any = getattr(settings, each.name) if each.choices or each.is_positive else None
        if each.choices and value is not None and re.sub(r":\d+$", ":N", value) not in each.choices:
            yield Error(f"{each.name} is {value!r}, but must be one of {', '.join(each.choices)}.", id="moodplane.E001")
        if each.is_positive and value <= 0:
            yield Error(f"{each.name} is {value}, but must be above zero.", id="moodplane.E002")
    weights = settings.MOODPLANE_WEIGHTS
    if weights is not None and not Path(weights).is_file():
        yield Error(f"MOODPLANE_WEIGHTS names {weights}, and there is no such file.", id="moodplane.E003")
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine not in ("django.db.backends.postgresql", "mer_site.local.backend"):
        kind = engine.rsplit(".", 1)[-1]
        sentence = f"DATABASE_URL names a {kind} database; Moodplane needs PostgreSQL (postgres://...)."
        yield Error(sentence, id="moodplane.E004")
    if settings.MOODPLANE_MEDIA_ORIGIN and isinstance(storages["default"], FileSystemStorage):
        sentence = (
            "MOODPLANE_MEDIA_ORIGIN is set, but files on this machine's disk have no address there; unset it, or set "
            "MOODPLANE_STORAGE."
        )
        yield Error(sentence, id="moodplane.E005")
    for folder in settings.MUSIC_FOLDERS:
        if holds_media(folder):
            sentence = f"MUSIC_FOLDERS names {folder}, which holds what Moodplane stores itself; name another folder."
            yield Error(sentence, id="moodplane.E006")


def _warnings() -> Iterator[CheckMessage]:
    var: Path = settings.MOODPLANE_VAR
    if not (os.environ.get("SECRET_KEY") or (var / "secret_key").exists()):
        sentence = (
            f"No SECRET_KEY is set and none could be kept in {var}, so everybody is signed out at each restart. Set "
            "SECRET_KEY, or make that directory writable."
        )
        yield CheckWarning(sentence, id="moodplane.W001")
    # The nearest existing directory decides whether the others can be created.
    nearest = next(each for each in (var, *var.parents) if each.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        sentence = f"{nearest} cannot be written, so nothing can be kept in MOODPLANE_VAR ({var})."
        yield CheckWarning(sentence, id="moodplane.W002")
