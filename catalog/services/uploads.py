"""The door: one file arrives, and becomes a song, a duplicate, or a clear reason why not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import File
from django.db import transaction

from catalog.exceptions import CatalogError, FileRejected
from catalog.models import Song, Upload
from catalog.probe import AudioFacts, ProbeError, probe
from catalog.services.songs import song_create
from catalog.services.states import songs_announce
from catalog.services.storage import StagedFile, file_staged, size_check
from catalog.tags import file_name_clean

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
    if upload.outcome == Upload.Outcome.ACCEPTED and upload.song_id is not None:
        songs_announce(song_ids=[upload.song_id])
    return upload


def upload_record(*, owner: User | None, file: File | BinaryIO, file_name: str) -> Upload:
    """Take one offered file as `upload_create` does, leaving the announcement to the caller."""
    upload = Upload(owner=owner, file_name=file_name_clean(file_name), size_bytes=getattr(file, "size", None) or 0)
    try:
        # A declared size saves reading half a gigabyte only to refuse it.
        size_check(upload.size_bytes)
        with file_staged(_chunks(file)) as staged:
            upload.size_bytes = staged.size_bytes
            return _upload_settle(upload, staged)
    except CatalogError as error:
        logger.info("Refused %r: %s (%s)", upload.file_name, error, error.code)
        upload.outcome = Upload.Outcome.FAILED
        upload.failure_code, upload.failure_reason = error.code, str(error)
        upload.save()
        return upload


def _upload_settle(upload: Upload, staged: StagedFile) -> Upload:
    """Probe outside the transaction, then make song and upload row together."""
    facts = _probe(staged)
    with transaction.atomic():
        song, is_new = song_create(staged=staged, facts=facts, file_name=upload.file_name)
        upload.song = song
        upload.outcome = Upload.Outcome.ACCEPTED if is_new else Upload.Outcome.DUPLICATE
        if not is_new:
            upload.failure_code, upload.failure_reason = "duplicate", duplicate_sentence(song)
        upload.save()
    return upload


def _probe(staged: StagedFile) -> AudioFacts:
    try:
        return probe(staged.path, max_duration_s=float(settings.MOODPLANE_MAX_DURATION_S))
    except ProbeError as error:
        raise FileRejected(error.code, error.sentence) from error


def duplicate_sentence(song: Song) -> str:
    """Say which song a duplicate already is."""
    return f"The same recording is already here as “{song.title}” by {song.artist.name}."


def _chunks(file: File | BinaryIO) -> Iterator[bytes]:
    if isinstance(file, File):
        yield from file.chunks(_CHUNK_BYTES)
        return
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
