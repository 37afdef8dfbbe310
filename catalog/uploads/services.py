"""Receives files, each of which becomes a song, a duplicate or a refusal; and settles possible duplicates."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import File
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.names import FolderHint, name_key
from catalog.exceptions import CatalogError, ReadingInterruptedError, SongNotRetryableError, StorageFullError
from catalog.files.isolation import probe_isolated
from catalog.files.probe import AudioFacts
from catalog.files.storage import StagedFile, file_staged, size_check
from catalog.files.tags import file_name_clean
from catalog.models import Artist, PossibleDuplicate, Song, Upload
from catalog.selectors import PENDING_STATES, duplicates_open
from catalog.songs.services import song_create, song_retry, songs_announce, songs_delete, songs_retry

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1024 * 1024
# Another encoder pads the end, another edition fades a little longer.
DURATION_TOLERANCE_S = 2.0


class Readable(Protocol):
    """What can be read like a file."""

    def read(self, n_bytes: int, /) -> bytes: ...


Replacing = Callable[[StagedFile, AudioFacts], Song | None]


class ArrivedFile(TemporaryUploadedFile):
    """A file of a request; reading it raises the OSError that interrupted it, such as a full disk."""

    fault: OSError | None = None

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        if self.fault is not None:
            raise self.fault
        yield from super().chunks(chunk_size)


class CappedUploadHandler(FileUploadHandler):
    """Spools each file to the temporary folder, up to the size limit or until the disk is full.

    The rest of such a file is read and dropped, so that the browser gets the reason instead of a broken connection,
    and the other files of the request still arrive.
    """

    file: ArrivedFile

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.file = ArrivedFile(self.file_name or "", self.content_type, 0, self.charset, self.content_type_extra)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.file.fault is None and start + len(raw_data) <= settings.MOODPLANE_MAX_UPLOAD_BYTES:
            try:
                self.file.write(raw_data)
            except OSError as error:
                self.file.fault = error

    def file_complete(self, file_size: int) -> ArrivedFile:
        try:
            self.file.seek(0)
        except OSError as error:
            # Seeking flushes the last buffered piece.
            self.file.fault = error
        # Of the bytes sent, even if some were dropped.
        self.file.size = file_size
        return self.file

    def upload_interrupted(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


def uploads_capped(request: HttpRequest) -> None:
    """Make this request use `CappedUploadHandler`; call it before anything reads the body."""
    request.upload_handlers = [CappedUploadHandler(request)]


def upload_create(*, owner: User | None, file: File[bytes] | Readable, file_name: str) -> Upload:
    """Take a file and announce its song; a rejected file is a result, not an error.

    `owner` is None for the command line; `file_name` is never used as a path.
    """
    upload = upload_record(owner=owner, file=file, file_name=file_name)
    upload_announce(upload=upload)
    return upload


def upload_record(
    *,
    owner: User | None,
    file: File[bytes] | Readable,
    file_name: str,
    hint: FolderHint | None = None,
    replacing: Replacing | None = None,
    but: type[CatalogError] | tuple[type[CatalogError], ...] = (),
) -> Upload:
    """Take a file as `upload_create` does, without announcing its song; `hint` tells what its name may mean.

    `replacing` may give the file to a song that exists, in place of a new one; errors of the classes `but` are raised.
    """
    upload = Upload(owner=owner, file_name=file_name_clean(file_name), size_bytes=getattr(file, "size", None) or 0)
    chunks = file.chunks(_CHUNK_BYTES) if isinstance(file, File) else iter(partial(file.read, _CHUNK_BYTES), b"")
    with _refusal_recorded(upload, but=but):
        # Checked first, so that a declared size saves reading half a gigabyte.
        size_check(upload.size_bytes)
        with file_staged(chunks) as staged:
            upload.size_bytes = staged.size_bytes
            _upload_settle(upload, staged, hint, replacing)
    return upload


def upload_create_staged(*, owner: User, staged: StagedFile, file_name: str) -> Upload:
    """Take a file that is already on the media disk, and announce its song.

    Raises:
        StorageFullError: The disk has no room for the cover; the staged file stays for another attempt.
        ReadingInterruptedError: Its reading was ended from outside; the staged file stays too.
    """
    upload = Upload(owner=owner, file_name=file_name_clean(file_name), size_bytes=staged.size_bytes)
    with _refusal_recorded(upload, but=(StorageFullError, ReadingInterruptedError)):
        _upload_settle(upload, staged)
    upload_announce(upload=upload)
    return upload


def upload_announce(*, upload: Upload) -> None:
    """Announce the song of an upload, if it is new."""
    if upload.outcome == Upload.Outcome.ACCEPTED and upload.song_id is not None:
        songs_announce(song_ids=[upload.song_id])


@contextmanager
def _refusal_recorded(upload: Upload, but: type[CatalogError] | tuple[type[CatalogError], ...] = ()) -> Iterator[None]:
    try:
        yield
    except but:
        raise
    except CatalogError as error:
        logger.info("Refused %r: %s (%s)", upload.file_name, error, error.code)
        upload.outcome = Upload.Outcome.FAILED
        upload.failure_code, upload.failure_reason = error.code, str(error)
        upload.save()


def _upload_settle(
    upload: Upload, staged: StagedFile, hint: FolderHint | None = None, replacing: Replacing | None = None
) -> None:
    facts = probe_isolated(staged.path)
    with transaction.atomic():
        if replacing is not None and (replaced := replacing(staged, facts)) is not None:
            upload.song, upload.outcome, upload.failure_reason = replaced, Upload.Outcome.ACCEPTED, facts.remark
            upload.save()
            return
        song, is_new = song_create(staged=staged, facts=facts, file_name=upload.file_name, hint=hint)
        upload.song = song
        upload.outcome = Upload.Outcome.ACCEPTED if is_new else Upload.Outcome.DUPLICATE
        if is_new:
            # Kept beside an accepted file too: it says what is missing.
            upload.failure_reason = facts.remark
            duplicates_note(song=song)
        else:
            upload.failure_code, upload.failure_reason = "duplicate", duplicate_sentence(song)
        upload.save()


def duplicate_sentence(song: Song) -> str:
    """Return the sentence that names the song which a duplicate is."""
    sentence = _("The same recording is already here as “%(title)s” by %(artist)s.")
    return sentence % {"title": song.title, "artist": song.by}


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
    """Record older songs that may be the same recording: same artist and title, similar duration."""
    with transaction.atomic():
        # Two copies that arrive together would otherwise not see each other.
        Artist.objects.select_for_update(no_key=True).get(pk=song.artist_id)
        near = (song.duration_s - DURATION_TOLERANCE_S, song.duration_s + DURATION_TOLERANCE_S)
        others = Song.objects.filter(artist_id=song.artist_id, duration_s__range=near).exclude(pk=song.pk)
        key = name_key(song.title)
        pairs = [
            PossibleDuplicate(song=song, other_id=pk, by_name=True)
            for pk, title in others.values_list("pk", "title")
            if name_key(title) == key
        ]
        PossibleDuplicate.objects.bulk_create(pairs, ignore_conflicts=True)


@transaction.atomic
def duplicates_heard(*, song_id: int, same_as: Sequence[int]) -> None:
    """Record songs that sound the same as a song; what was decided of a pair stays, and each newer song is asked of."""
    pairs = [sorted((song_id, other)) for other in same_as]
    PossibleDuplicate.objects.bulk_create(
        [PossibleDuplicate(song_id=newer, other_id=older, by_sound=True) for older, newer in pairs],
        update_conflicts=True,
        unique_fields=["song", "other"],
        update_fields=["by_sound"],
    )
    # The upload may have been taken off the page before this question came up.
    asked = Exists(duplicates_open(OuterRef("song_id")))
    newer_ids = [newer for _older, newer in pairs]
    Upload.objects.filter(asked, song__in=newer_ids, outcome=Upload.Outcome.ACCEPTED).update(hidden_at=None)


def duplicates_keep(*, song: Song) -> None:
    """Settle that a song is another recording than those it resembles."""
    duplicates_open(song.pk).update(verdict=PossibleDuplicate.Verdict.BOTH, decided_at=timezone.now())


@transaction.atomic
def duplicate_remove(*, song: Song) -> bool:
    """Delete a song that is a duplicate; return whether it still existed and was undecided."""
    if not duplicates_open(song.pk).select_for_update().exists():
        return False
    songs_delete(song_ids=[song.pk])
    return True
