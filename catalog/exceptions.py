"""What can go wrong at the catalog's door. Every message is a sentence for the person who offered the file."""

from __future__ import annotations


class CatalogError(Exception):
    """Root of the catalog's errors: `code` is stable for programs, `str(error)` is for people."""

    code: str = "catalog_error"
    status: int = 400


class FileRejected(CatalogError):
    """The bytes are not a song that we can take; the probe gave the code and the sentence."""

    code = "file_rejected"
    status = 422

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class FileTooLarge(CatalogError):
    """The file is over the size limit."""

    code = "too_large"
    status = 413


class StorageFull(CatalogError):
    """The media disk has no room left; nothing half-written stays behind."""

    code = "storage_full"
    status = 507


class FileMissing(CatalogError):
    """An upload without a file."""

    code = "file_missing"
    status = 400


class SongNotRetryable(CatalogError):
    """Only a failed song can be tried again."""

    code = "not_retryable"
    status = 409


class SongFileLost(CatalogError):
    """The row exists, but its file is no longer on the disk."""

    code = "file_lost"
    status = 404
