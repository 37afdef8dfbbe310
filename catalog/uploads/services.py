"""The door: one file arrives, and becomes a song, a duplicate, or a clear reason why not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
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
from catalog.models import Song, Upload
from catalog.selectors import PENDING_STATES
from catalog.songs.services import song_create
from catalog.songs.states import song_retry, songs_announce, songs_retry
from catalog.uploads.duplicates import duplicates_note

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1024 * 1024


def upload_create(*, owner: User | None, file: File | BinaryIO, file_name: str) -> Upload:
    """Take one offered file and announce the song that it became.

    Args:
        owner: who offered it; nobody for the command line.
        file: an uploaded file, or anything open for reading in binary.
        file_name: the name as the person knows it; it is shown, never used as a path.

    Returns:
        The row that says what became of it. A file that we cannot take is a result, not an error.
    """
    upload = upload_record(owner=owner, file=file, file_name=file_name)
    upload_announce(upload)
    return upload


def upload_record(*, owner: User | None, file: File | BinaryIO, file_name: str) -> Upload:
    """Take one offered file as `upload_create` does, leaving the announcement to the caller."""
    upload = Upload(owner=owner, file_name=file_name_clean(file_name), size_bytes=getattr(file, "size", None) or 0)
    with _refusal_noted(upload):
        # A declared size saves reading half a gigabyte only to refuse it.
        size_check(upload.size_bytes)
        with file_staged(_chunks(file)) as staged:
            upload.size_bytes = staged.size_bytes
            _upload_settle(upload, staged)
    return upload


def upload_create_staged(*, owner: User, staged: StagedFile, file_name: str) -> Upload:
    """Take a file that is already on the media disk, and announce the song that it became.

    Raises:
        StorageFullError: the disk has no room for the cover; the staged file is unharmed, so it can be tried again.
    """
    upload = Upload(owner=owner, file_name=file_name_clean(file_name), size_bytes=staged.size_bytes)
    with _refusal_noted(upload, but=StorageFullError):
        _upload_settle(upload, staged)
    upload_announce(upload)
    return upload


def upload_announce(upload: Upload) -> None:
    """Announce the song of an upload, if it brought a new one."""
    if upload.outcome == Upload.Outcome.ACCEPTED and upload.song_id is not None:
        songs_announce(song_ids=[upload.song_id])


def upload_retry(*, upload: Upload) -> None:
    """Let the song of an upload be analysed once more.

    Raises:
        SongNotRetryableError: there is no song of it, or it has not failed.
    """
    if upload.song is None or upload.outcome != Upload.Outcome.ACCEPTED:
        raise SongNotRetryableError(_("This file was not kept, so there is nothing to retry. Upload it again."))
    song_retry(song=upload.song)


def uploads_retry(*, uploads: QuerySet[Upload]) -> int:
    """Let all failed songs of these uploads be analysed once more; return how many there were."""
    failed = uploads.filter(outcome=Upload.Outcome.ACCEPTED, song__state=Song.State.FAILED)
    return len(songs_retry(song_ids=failed.values_list("song_id", flat=True)))


def uploads_hide(*, uploads: QuerySet[Upload]) -> int:
    """Take uploads whose state is final off the page; the rows stay as the record of who brought what."""
    on_the_way = Q(outcome=Upload.Outcome.ACCEPTED, song__state__in=PENDING_STATES)
    shown = uploads.filter(hidden_at=None).exclude(on_the_way)
    return Upload.objects.filter(pk__in=list(shown.values_list("pk", flat=True))).update(hidden_at=timezone.now())


@contextmanager
def _refusal_noted(upload: Upload, but: type[CatalogError] | tuple[()] = ()) -> Iterator[None]:
    """Make the reason why a file is not taken the upload's outcome."""
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
    """Probe outside the transaction, then make song and upload row together."""
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
    """Say which song a duplicate already is."""
    said = {"title": song.title, "artist": song.artist}
    return _("The same recording is already here as “%(title)s” by %(artist)s.") % said


def _chunks(file: File | BinaryIO) -> Iterator[bytes]:
    if isinstance(file, File):
        yield from file.chunks(_CHUNK_BYTES)
        return
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
