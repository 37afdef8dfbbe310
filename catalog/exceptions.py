"""Errors of the catalog; `mer_site.errors` maps each to a response."""

from catalog.core.wording import gettext as _


class CatalogError(Exception):
    """Root of the catalog's errors: `code` is stable, for programs; `str(error)` is a sentence for people."""

    code = "catalog_error"
    status = 400

    def __init_subclass__(cls, *, code: str = "", status: int = 0) -> None:
        cls.code, cls.status = code or cls.code, status or cls.status


class FileRejectedError(CatalogError, status=422):
    """The catalog does not accept the file."""

    def __init__(self, code: str, sentence: str) -> None:
        # Both, so that it survives the way from another process.
        super().__init__(code, sentence)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[1])


class ReadingInterruptedError(CatalogError, code="interrupted", status=503):
    """Reading a file was ended from outside; another attempt may succeed."""


class FileTooLargeError(CatalogError, code="too_large", status=413):
    """The file is over the size limit."""


class StorageFullError(CatalogError, code="storage_full", status=507):
    """The media disk is full; no partial file stays."""


class FileMissingError(CatalogError, code="file_missing"):
    """An upload without a file."""


class FolderRefusedError(CatalogError, code="folder_refused", status=422):
    """A folder of the server cannot be followed."""


class TagsNotWritableError(CatalogError, code="tags_not_writable", status=422):
    """Tags cannot be written into a file, or not without changing more than them."""


class AddressRefusedError(CatalogError, code="address_refused", status=422):
    """An address is not asked: it is none, or a private one."""


class ServiceAwayError(CatalogError, code="service_away", status=502):
    """Another server cannot be reached, or does not answer as it should; another attempt may succeed."""


class SongNotRetryableError(CatalogError, code="not_retryable", status=409):
    """Only a failed song can be retried."""


class SongFileLostError(CatalogError, code="file_lost", status=404):
    """A song's file is missing on the disk."""


class TranscodersBusyError(CatalogError, code="transcoders_busy", status=503):
    """As many songs are being converted as the server allows; another attempt can succeed."""


class EditConflictError(CatalogError, code="edit_conflict", status=409):
    """Another editor changed `fields` meanwhile, and nothing was saved."""

    def __init__(self, fields: list[str]) -> None:
        super().__init__(_("Someone else has changed this in the meantime. Check it, then save again."))
        self.fields = fields


class TooManySongsError(CatalogError, code="too_many_songs", status=422):
    """One change has too many songs."""


class RangeNotSatisfiableError(CatalogError, code="range_not_satisfiable", status=416):
    """A range begins after the end of the file, or has no bytes."""


class PartialUploadNotFoundError(CatalogError, code="upload_not_found", status=404):
    """There is no such unfinished upload, or it belongs to another account."""


class PartialUploadExpiredError(CatalogError, code="upload_expired", status=410):
    """The unfinished upload has expired."""


class UploadOffsetWrongError(CatalogError, code="offset_wrong", status=409):
    """A piece does not begin at the end of the last one."""


class UploadTooLongError(CatalogError, code="more_than_announced", status=413):
    """More bytes arrive than were announced."""


class TooManyUnfinishedError(CatalogError, code="too_many_unfinished", status=409):
    """An account has too many unfinished uploads."""


class PieceDamagedError(CatalogError, code="checksum_wrong", status=460):
    """The checksum does not match; the status is the tus protocol's."""


class UploadRequestInvalidError(CatalogError):
    """A request violates the protocol of resumable uploads."""

    def __init__(self, sentence: str, code: str = "upload_request_invalid", status: int = 400) -> None:
        super().__init__(sentence)
        self.code, self.status = code, status
