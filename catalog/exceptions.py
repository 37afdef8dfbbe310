"""What can go wrong at the catalog's door. Every message is a sentence for the person who offered the file."""

from __future__ import annotations

from django.utils.translation import gettext as _


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


class EditConflict(CatalogError):
    """Somebody else changed what an editor was about to change; `fields` names it, and nothing was saved."""

    code = "edit_conflict"
    status = 409

    def __init__(self, fields: list[str]) -> None:
        super().__init__(_("Somebody else has changed this meanwhile. Look at it again, then save."))
        self.fields = fields


class TooManySongs(CatalogError):
    """More songs than are changed in one go."""

    code = "too_many_songs"
    status = 422


class UploadSessionNotFound(CatalogError):
    """There is no such unfinished upload, or it is somebody else's."""

    code = "upload_not_found"
    status = 404


class UploadSessionExpired(CatalogError):
    """An unfinished upload that was left alone for too long."""

    code = "upload_expired"
    status = 410


class UploadOffsetWrong(CatalogError):
    """A piece that does not begin where the last one ended."""

    code = "offset_wrong"
    status = 409


class UploadTooLong(CatalogError):
    """More bytes than were announced."""

    code = "more_than_announced"
    status = 413


class TooManyUnfinished(CatalogError):
    """Somebody has begun more uploads than one person may leave open."""

    code = "too_many_unfinished"
    status = 409


class PieceDamaged(CatalogError):
    """The bytes are not those that the sender's checksum was made of."""

    code = "checksum_wrong"
    # A status of the tus protocol, unknown to HTTP at large.
    status = 460


class UploadRequestInvalid(CatalogError):
    """A request that does not keep to the protocol of resumable uploads."""

    code = "upload_request_invalid"
    status = 400


class UploadVersionWrong(UploadRequestInvalid):
    """Another version of the protocol, or none."""

    code = "tus_version_wrong"
    status = 412


class UploadTypeWrong(UploadRequestInvalid):
    """A piece that does not say what it is."""

    code = "piece_type_wrong"
    status = 415


class UploadRequestUnsized(UploadRequestInvalid):
    """A piece without a length."""

    code = "length_required"
    status = 411
