"""Errors of the catalog. Every message is a sentence for the person who offered the file."""

from __future__ import annotations

from catalog.core.wording import gettext as _


class CatalogError(Exception):
    """Root of the catalog's errors: `code` is stable for programs, `str(error)` is for people."""

    code = "catalog_error"
    status = 400

    def __init_subclass__(cls, *, code: str = "", status: int = 0) -> None:
        cls.code, cls.status = code or cls.code, status or cls.status


class FileRejectedError(CatalogError, status=422):
    """The bytes are not a song that the catalog takes."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class FileTooLargeError(CatalogError, code="too_large", status=413):
    """The file is over the size limit."""


class StorageFullError(CatalogError, code="storage_full", status=507):
    """The media disk has no room left; nothing half-written stays behind."""


class FileMissingError(CatalogError, code="file_missing"):
    """An upload without a file."""


class SongNotRetryableError(CatalogError, code="not_retryable", status=409):
    """Only a failed song can be tried again."""


class SongFileLostError(CatalogError, code="file_lost", status=404):
    """The row exists, but its file is no longer on the disk."""


class EditConflictError(CatalogError, code="edit_conflict", status=409):
    """Another editor has changed a field meanwhile; `fields` names it, and nothing was saved."""

    def __init__(self, fields: list[str]) -> None:
        super().__init__(_("Someone else has changed this in the meantime. Check it, then save again."))
        self.fields = fields


class TooManySongsError(CatalogError, code="too_many_songs", status=422):
    """More songs than one change may have."""


class RangeNotSatisfiableError(CatalogError, code="range_not_satisfiable", status=416):
    """A range that begins after the end of the file, or a suffix of nothing."""


class PartialUploadNotFoundError(CatalogError, code="upload_not_found", status=404):
    """There is no such unfinished upload, or it belongs to another account."""


class PartialUploadExpiredError(CatalogError, code="upload_expired", status=410):
    """An unfinished upload whose time ran out."""


class UploadOffsetWrongError(CatalogError, code="offset_wrong", status=409):
    """A piece that does not begin where the last one ended."""


class UploadTooLongError(CatalogError, code="more_than_announced", status=413):
    """More bytes than were announced."""


class TooManyUnfinishedError(CatalogError, code="too_many_unfinished", status=409):
    """One account has more unfinished uploads than it may leave open."""


class PieceDamagedError(CatalogError, code="checksum_wrong", status=460):
    """The bytes do not fit the sender's checksum; the status is the tus protocol's."""


class UploadRequestInvalidError(CatalogError):
    """A request that breaks the protocol of resumable uploads."""

    def __init__(self, sentence: str, code: str = "upload_request_invalid", status: int = 400) -> None:
        super().__init__(sentence)
        self.code, self.status = code, status
