"""Songs that may be the same recording in other bytes: noted when one arrives, decided by whoever brought it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from catalog.models import Artist, PossibleDuplicate, Song, name_key
from catalog.songs.services import song_delete

# Another encoder pads the end, another edition fades a little longer.
DURATION_TOLERANCE_S = 2.0


def duplicates_note(*, song: Song) -> None:
    """Note which older songs a new one may be: the same artist and title, about as long."""
    with transaction.atomic():
        # Two copies that arrive at once would otherwise each not see the other.
        Artist.objects.select_for_update(no_key=True).get(pk=song.artist_id)
        near = (song.duration_s - DURATION_TOLERANCE_S, song.duration_s + DURATION_TOLERANCE_S)
        others = Song.objects.filter(artist_id=song.artist_id, duration_s__range=near).exclude(pk=song.pk)
        key = name_key(song.title)
        alike = [pk for pk, title in others.values_list("pk", "title") if name_key(title) == key]
        PossibleDuplicate.objects.bulk_create(
            [PossibleDuplicate(song=song, other_id=pk) for pk in alike], ignore_conflicts=True
        )


def duplicates_keep(*, song: Song) -> None:
    """Settle that a song is another recording than those it looks like; nobody is asked again."""
    PossibleDuplicate.objects.filter(song=song, verdict=PossibleDuplicate.Verdict.OPEN).update(
        verdict=PossibleDuplicate.Verdict.BOTH, decided_at=timezone.now()
    )


def duplicate_remove(*, song: Song) -> bool:
    """Delete a song that turned out to be here already; return whether it was still there and still a question."""
    with transaction.atomic():
        is_open = PossibleDuplicate.objects.select_for_update().filter(
            song=song, verdict=PossibleDuplicate.Verdict.OPEN
        )
        if not is_open.exists():
            return False
        song_delete(song=song)
    return True
