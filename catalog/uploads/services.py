"""Takes one file, which becomes a song, a duplicate, or a clear reason why not; and settles possible duplicates."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import File
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.exceptions import CatalogError, SongNotRetryableError, StorageFullError
from catalog.files.audio_tags import file_name_clean
from catalog.files.probe import probe
from catalog.files.storage import StagedFile, file_staged, size_check
from catalog.models import Artist, PossibleDuplicate, Song, Upload, name_key
from catalog.selectors import PENDING_STATES
from catalog.songs.services import song_create, song_delete
from catalog.songs.states import song_retry, songs_announce, songs_retry

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1024 * 1024
# Another encoder pads the end, another edition fades a little longer.
DURATION_TOLERANCE_S = 2.0


def upload_create(*, owner: User | None, file: File[bytes] | BinaryIO, file_name: str) -> Upload:
    """Take a file and announce its song; a rejected file is a result, not an error.

    Args:
        owner: None for the command line.
        file: An uploaded file, or any binary stream.
        file_name: For people; never used as a path.
    """
    upload = upload_record(owner=owner, file=file, file_name=file_name)
    upload_announce(upload=upload)
    return upload


def upload_record(*, owner: User | None, file: File[bytes] | BinaryIO, file_name: str) -> Upload:
    """Take a file as `upload_create` does, leaving the announcement to the caller."""
    upload = Upload(owner=owner, file_name=file_name_clean(file_name), size_bytes=getattr(file, "size", None) or 0)
    chunks = file.chunks(_CHUNK_BYTES) if isinstance(file, File) else iter(partial(file.read, _CHUNK_BYTES), b"")
    with _refusal_recorded(upload):
        # A declared size saves reading half a gigabyte only to refuse it.
        size_check(upload.size_bytes)
        with file_staged(chunks) as staged:
            upload.size_bytes = staged.size_bytes
            _upload_settle(upload, staged)
    return upload


def upload_create_staged(*, owner: User, staged: StagedFile, file_name: str) -> Upload:
    """Take a file that is already on the media disk, and announce its song.

    Raises:
        StorageFullError: The disk has no room for the cover; the staged file is unharmed, so it can be tried again.
    """
    upload = Upload(owner=owner, file_name=file_name_clean(file_name), size_bytes=staged.size_bytes)
    with _refusal_recorded(upload, but=StorageFullError):
        _upload_settle(upload, staged)
    upload_announce(upload=upload)
    return upload


def upload_announce(*, upload: Upload) -> None:
    """Announce the song of an upload, if it is new."""
    if upload.outcome == Upload.Outcome.ACCEPTED and upload.song_id is not None:
        songs_announce(song_ids=[upload.song_id])


@contextmanager
def _refusal_recorded(upload: Upload, but: type[CatalogError] | tuple[()] = ()) -> Iterator[None]:
    try:
        yield
    except but:
        raise
    except CatalogError as error:
        logger.info("Refused %r: %s (%s)", upload.file_name, error, error.code)
        upload.outcome = Upload.Outcome.FAILED
        upload.failure_code, upload.failure_reason = error.code, str(error)
        upload.save()


def _upload_settle(upload: Upload, staged: StagedFile) -> None:
    facts = probe(staged.path, max_duration_s=float(settings.MOODPLANE_MAX_DURATION_S))
    with transaction.atomic():
        song, is_new = song_create(staged=staged, facts=facts, file_name=upload.file_name)
        upload.song = song
        upload.outcome = Upload.Outcome.ACCEPTED if is_new else Upload.Outcome.DUPLICATE
        if is_new:
            duplicates_note(song=song)
        else:
            upload.failure_code, upload.failure_reason = "duplicate", duplicate_sentence(song)
        upload.save()


def duplicate_sentence(song: Song) -> str:
    """Return the sentence that names the song which a duplicate is."""
    names = {"title": song.title, "artist": song.artist}
    return _("The same recording is already here as “%(title)s” by %(artist)s.") % names


def upload_retry(*, upload: Upload) -> None:
    """Analyse the song of an upload again; raise SongNotRetryableError unless it has failed."""
    if upload.song is None or upload.outcome != Upload.Outcome.ACCEPTED:
        raise SongNotRetryableError(_("This file was not saved, so there is nothing to retry. Upload it again."))
    song_retry(song=upload.song)


def uploads_retry(*, uploads: QuerySet[Upload]) -> int:
    """Analyse all failed songs of these uploads again; return their number."""
    failed = uploads.filter(outcome=Upload.Outcome.ACCEPTED, song__state=Song.State.FAILED)
    return len(songs_retry(song_ids=failed.values_list("song_id", flat=True)))


def uploads_hide(*, uploads: QuerySet[Upload]) -> int:
    """Hide uploads with a final state from the page; the rows stay as a record."""
    on_the_way = Q(outcome=Upload.Outcome.ACCEPTED, song__state__in=PENDING_STATES)
    shown = uploads.filter(hidden_at=None).exclude(on_the_way)
    return Upload.objects.filter(pk__in=list(shown.values_list("pk", flat=True))).update(hidden_at=timezone.now())


def duplicates_note(*, song: Song) -> None:
    """Record older songs that may be the same recording: the same artist and title, about as long."""
    with transaction.atomic():
        # Two copies that arrive at once would otherwise not see each other.
        Artist.objects.select_for_update(no_key=True).get(pk=song.artist_id)
        near = (song.duration_s - DURATION_TOLERANCE_S, song.duration_s + DURATION_TOLERANCE_S)
        others = Song.objects.filter(artist_id=song.artist_id, duration_s__range=near).exclude(pk=song.pk)
        key = name_key(song.title)
        alike = [pk for pk, title in others.values_list("pk", "title") if name_key(title) == key]
        pairs = [PossibleDuplicate(song=song, other_id=pk) for pk in alike]
        PossibleDuplicate.objects.bulk_create(pairs, ignore_conflicts=True)


def duplicates_keep(*, song: Song) -> None:
    """Settle that a song is another recording than those it looks like."""
    open_pairs = PossibleDuplicate.objects.filter(song=song, verdict=PossibleDuplicate.Verdict.OPEN)
    open_pairs.update(verdict=PossibleDuplicate.Verdict.BOTH, decided_at=timezone.now())


@transaction.atomic
def duplicate_remove(*, song: Song) -> bool:
    """Delete a song that is a duplicate; return whether it was still there and undecided."""
    open_pairs = PossibleDuplicate.objects.filter(song=song, verdict=PossibleDuplicate.Verdict.OPEN)
    if not open_pairs.select_for_update().exists():
        return False
    song_delete(song=song)
    return True
