"""Large files that arrive in pieces: a lost connection, a closed tab or a killed server costs at most one piece.

A piece is flushed before the row's offset moves; bytes beyond the offset, left by a crash, are truncated later. Pieces
are stored under the row's lock, so the second of two senders of the same upload finds its offset wrong.
"""

import datetime as dt
import logging
import os
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.core.files import digest
from catalog.exceptions import (
    CatalogError,
    PartialUploadExpiredError,
    PartialUploadNotFoundError,
    StorageFullError,
    TooManyUnfinishedError,
    UploadOffsetWrongError,
    UploadTooLongError,
)
from catalog.files.storage import StagedFile, incoming_path, room_check, size_check, storage_full_explained
from catalog.files.tags import file_name_clean, text_clean
from catalog.models import PartialUpload
from catalog.uploads.page import partials_unfinished
from catalog.uploads.services import upload_create_staged

logger = logging.getLogger(__name__)

KEEP = dt.timedelta(days=3)
OPEN_LIMIT = 50
PIECE_BYTES = 4 * 1024 * 1024
# The request that brings the last piece finishes the upload, unless that request dies.
_FINISH_AFTER = dt.timedelta(minutes=2)
_ORPHAN_AFTER_S = 24 * 3600.0
_SUFFIX = ".tus"


def partial_open(
    *, owner: User, file_name: str, size_bytes: int, fingerprint: str = "", metadata: str = ""
) -> PartialUpload:
    """Begin an upload that only its owner may continue.

    The sender gets `metadata` back unchanged, and recognises the file by `fingerprint`.

    Raises:
        FileTooLargeError, StorageFullError, TooManyUnfinishedError: The upload cannot begin.
    """
    size_check(size_bytes)
    room_check(size_bytes)
    open_count = partials_unfinished(owner).count()
    if open_count >= OPEN_LIMIT:
        sentence = ngettext(
            "You have %(count)d unfinished upload. Finish or discard it, then try again.",
            "You have %(count)d unfinished uploads. Finish or discard some, then try again.",
            open_count,
        )
        raise TooManyUnfinishedError(sentence % {"count": open_count})
    partial_upload = PartialUpload.objects.create(
        owner=owner,
        file_name=file_name_clean(file_name),
        fingerprint=text_clean(fingerprint)[:500],
        metadata=metadata,
        size_bytes=size_bytes,
        expires_at=timezone.now() + KEEP,
    )
    if size_bytes == 0:
        partial_finish(partial_upload=partial_upload)
        partial_upload.refresh_from_db()
    return partial_upload


def partial_append(*, partial_upload: PartialUpload, offset_bytes: int, pieces: Iterable[bytes]) -> PartialUpload:
    """Append pieces to an upload, and finish it with the last byte; after an error the pieces before it stay.

    Raises:
        UploadOffsetWrongError: The upload does not continue at `offset_bytes`.
        UploadTooLongError: There are more bytes than announced.
        StorageFullError: The disk has no room.
        PartialUploadNotFoundError, PartialUploadExpiredError: It is no longer open.
    """
    offset_check(partial_upload=partial_upload, offset_bytes=offset_bytes)
    for piece in pieces:
        with transaction.atomic():
            locked = _locked(partial_upload.pk)
            offset_check(partial_upload=locked, offset_bytes=offset_bytes)
            if offset_bytes + len(piece) > locked.size_bytes:
                sentence = _("More bytes arrived than the %(size)d announced.")
                raise UploadTooLongError(sentence % {"size": locked.size_bytes})
            _write(_path(locked), offset_bytes, piece)
            offset_bytes += len(piece)
            locked.offset_bytes, locked.expires_at = offset_bytes, timezone.now() + KEEP
            locked.save(update_fields=["offset_bytes", "expires_at"])
    if offset_bytes == partial_upload.size_bytes:
        partial_finish(partial_upload=partial_upload)
    partial_upload.refresh_from_db()
    return partial_upload


def offset_check(*, partial_upload: PartialUpload, offset_bytes: int) -> None:
    """Raise UploadOffsetWrongError for a piece that does not begin at the upload's offset."""
    here = partial_offset(partial_upload)
    if offset_bytes != here:
        sentence = _("This upload is at byte %(here)d, not at %(offered)d; ask for its offset and resume there.")
        raise UploadOffsetWrongError(sentence % {"here": here, "offered": offset_bytes})


def partial_offset(partial_upload: PartialUpload) -> int:
    """Return where an upload continues: its row's offset, or less if the media folder lost bytes."""
    if partial_upload.finished_at is not None:
        return partial_upload.size_bytes
    path = _path(partial_upload)
    return min(partial_upload.offset_bytes, path.stat().st_size if path.exists() else 0)


def _write(path: Path, offset_bytes: int, piece: bytes) -> None:
    try:
        with storage_full_explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered, so that a full disk shows here and not at the closing of the file.
            with path.open("r+b" if path.exists() else "w+b", buffering=0) as out:
                out.truncate(offset_bytes)
                out.seek(offset_bytes)
                rest = memoryview(piece)
                while rest:
                    # A nearly full disk accepts a part and refuses the rest.
                    rest = rest[os.write(out.fileno(), rest) :]
                # A row must never count bytes that a power cut can still lose.
                os.fsync(out.fileno())
    except StorageFullError as error:
        raise StorageFullError(
            _("The server's disk is full. The part of this file that arrived is safe: free some space, then resume.")
        ) from error


def partial_finish(*, partial_upload: PartialUpload) -> None:
    """Turn a complete upload into an `Upload`; repeating it changes nothing."""
    with transaction.atomic():
        # A repeated last piece waits for the lock, and then finds the work done.
        locked = _locked(partial_upload.pk)
        if locked.finished_at is not None or partial_offset(locked) != locked.size_bytes:
            return
        path = _path(locked)
        # The song takes the second name; after a crash the first remains.
        link = incoming_path(f"{uuid.uuid4().hex}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.link(path, link)
        try:
            staged = StagedFile(link, digest(link), link.stat().st_size)
            locked.upload = upload_create_staged(owner=locked.owner, staged=staged, file_name=locked.file_name)
        finally:
            link.unlink(missing_ok=True)
        locked.offset_bytes, locked.finished_at = locked.size_bytes, timezone.now()
        locked.expires_at = timezone.now() + KEEP
        locked.save()
        transaction.on_commit(lambda: path.unlink(missing_ok=True))


def partial_discard(*, partial_upload: PartialUpload) -> None:
    """Delete an upload and the bytes that arrived."""
    with transaction.atomic():
        locked = _locked(partial_upload.pk, expired_too=True)
        path = _path(locked)
        locked.delete()
        transaction.on_commit(lambda: path.unlink(missing_ok=True))


def partials_tick() -> tuple[int, int]:
    """Finish complete uploads whose last request died, and delete abandoned ones; return how many of each."""
    # The last piece renewed the expiry.
    touched_before = timezone.now() + KEEP - _FINISH_AFTER
    idle = PartialUpload.objects.filter(finished_at=None, expires_at__range=(timezone.now(), touched_before))
    finished = 0
    for complete in idle.filter(offset_bytes=F("size_bytes")):
        try:
            partial_finish(partial_upload=complete)
            finished += 1
        except CatalogError as error:
            logger.warning("The complete upload %s cannot be finished: %s", complete.public_id, error)
    expired = list(PartialUpload.objects.filter(expires_at__lt=timezone.now()))
    for partial_upload in expired:
        partial_discard(partial_upload=partial_upload)
    _orphans_remove()
    if finished or expired:
        logger.info("Unfinished uploads: %d finished late, %d deleted.", finished, len(expired))
    return finished, len(expired)


def _orphans_remove() -> None:
    # Left by a killed process or a deleted account.
    old = [path for path in incoming_path().glob("*") if time.time() - path.stat().st_mtime > _ORPHAN_AFTER_S]
    ids = {path.stem for path in old if path.suffix == _SUFFIX}
    known = set(PartialUpload.objects.filter(public_id__in=ids).values_list("public_id", flat=True))
    for path in old:
        if path.suffix == ".part" or (path.suffix == _SUFFIX and path.stem not in known):
            path.unlink(missing_ok=True)


def _locked(pk: int, *, expired_too: bool = False) -> PartialUpload:
    partial_upload = PartialUpload.objects.select_for_update(of=("self",)).select_related("owner").filter(pk=pk).first()
    if partial_upload is None:
        raise PartialUploadNotFoundError(_("This unfinished upload does not exist or is not yours."))
    if not expired_too:
        partial_check_open(partial_upload=partial_upload)
    return partial_upload


def partial_check_open(*, partial_upload: PartialUpload) -> None:
    """Raise PartialUploadExpiredError for an expired upload."""
    if partial_upload.finished_at is None and partial_upload.expires_at < timezone.now():
        raise PartialUploadExpiredError(_("This upload was inactive for too long and was discarded. Start again."))


def _path(partial_upload: PartialUpload) -> Path:
    return incoming_path(partial_upload.public_id + _SUFFIX)
