"""The demo songs: which of them are in the catalog, and their removal for good."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet

from catalog.core.files import digest
from catalog.models import EarlierContent, Song
from catalog.songs.services import songs_delete
from mer_site.models import Installation

DEMO_SONGS = Path(settings.BASE_DIR) / "catalog" / "demo"


@cache
def _contents() -> list[str]:
    return [digest(path.read_bytes()) for path in sorted(DEMO_SONGS.glob("*.opus"))]


def demo_songs() -> QuerySet[Song]:
    """Return the demo songs that are in the catalog, whatever their tags say by now."""
    earlier = EarlierContent.objects.filter(content_hash__in=_contents()).values("song")
    return Song.objects.filter(Q(content_hash__in=_contents()) | Q(pk__in=earlier))


def demo_is_wanted() -> bool:
    """Whether an empty catalog may be filled with the demo songs."""
    return not Installation.objects.filter(has_demo=False).exists()


def demo_want() -> None:
    """Allow the demo songs again."""
    Installation.objects.filter(has_demo=False).update(has_demo=True)


def demo_remove() -> int:
    """Delete the demo songs, and keep later starts from adding them; return how many there were.

    An import that still runs removes what it adds meanwhile when it ends.
    """
    Installation.objects.update_or_create(pk=1, defaults={"has_demo": False})
    return songs_delete(song_ids=list(demo_songs().values_list("pk", flat=True)))
