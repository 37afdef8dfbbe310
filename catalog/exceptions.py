"""Errors of the catalog. Every message is a sentence for the person who offered the file."""

from __future__ import annotations

from catalog.core.wording import gettext as _


class CatalogError(Exception):
    """Root of the catalog's errors: `code` is stable for programs, `str(error)` is for people."""

    code: str = "catalog_error"
    status: int = 400


class FileRejectedError(CatalogError):
    """The bytes are not a song that the catalog takes."""

    status = 422

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class FileTooLargeError(CatalogError):
    """The file is over the size limit."""

    code, status = "too_large", 413


class StorageFullError(CatalogError):
    """The media disk has no room left; nothing half-written stays behind."""

    code, status = "storage_full", 507


class FileMissingError(CatalogError):
    """An upload without a file."""

    code = "file_missing"


class SongNotRetryableError(CatalogError):
    """Only a failed song can be tried again."""

    code, status = "not_retryable", 409


class SongFileLostError(CatalogError):
    """The row exists, but its file is no longer on the disk."""

    code, status = "file_lost", 404


class EditConflictError(CatalogError):
    """Another editor has changed a field meanwhile; `fields` names it, and nothing was saved."""

    code, status = "edit_conflict", 409

    def __init__(self, fields: list[str]) -> None:
        super().__init__(_("Somebody else has changed this meanwhile. Look at it again, then save."))
        self.fields = fields


class TooManySongsError(CatalogError):
    """More songs than one change may have."""

    code, status = "too_many_songs", 422


class RangeNotSatisfiableError(CatalogError):
    """A range that begins after the end of the file, or a suffix of nothing."""

    code, status = "range_not_satisfiable", 416


class PartialUploadNotFoundError(CatalogError):
    """There is no such unfinished upload, or it belongs to another account."""

    code, status = "upload_not_found", 404


class PartialUploadExpiredError(CatalogError):
    """An unfinished upload whose time ran out."""

    code, status = "upload_expired", 410


class UploadOffsetWrongError(CatalogError):
    """A piece that does not begin where the last one ended."""

    code, status = "offset_wrong", 409


class UploadTooLongError(CatalogError):
    """More bytes than were announced."""

    code, status = "more_than_announced", 413


class TooManyUnfinishedError(CatalogError):
    """One account has more unfinished uploads than it may leave open."""

    code, status = "too_many_unfinished", 409


class PieceDamagedError(CatalogError):
    """The bytes do not fit the sender's checksum."""

    # A status of the tus protocol, unknown to HTTP at large.
    code, status = "checksum_wrong", 460


class UploadRequestInvalidError(CatalogError):
    """A request that breaks the protocol of resumable uploads."""

    def __init__(self, sentence: str, code: str = "upload_request_invalid", status: int = 400) -> None:
        super().__init__(sentence)
        self.code, self.status = code, status
