"""Receives the body of an upload so that one bad file does not spoil the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest


class ArrivedFile(TemporaryUploadedFile):
    """A file of a request; reading it raises the error that interrupted it."""

    fault: OSError | None = None

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the bytes that arrived; raise the OSError that interrupted them, such as a full disk."""
        if self.fault is not None:
            raise self.fault
        yield from super().chunks(chunk_size)


class CappedUploadHandler(FileUploadHandler):
    """Spools each file to the temporary folder, up to the size limit or until the disk is full.

    It reads and drops the rest of such a file, so that the browser gets the reason instead of a broken connection, and
    the other files of the request still arrive.
    """

    file: ArrivedFile

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file."""
        super().new_file(*args, **kwargs)
        self.file = ArrivedFile(self.file_name or "", self.content_type, 0, self.charset, self.content_type_extra)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a piece, unless the file is lost already."""
        if self.file.fault is None and start + len(raw_data) <= settings.MOODPLANE_MAX_UPLOAD_BYTES:
            try:
                self.file.write(raw_data)
            except OSError as error:
                self.file.fault = error

    def file_complete(self, file_size: int) -> ArrivedFile:
        """End a file; its size is that of the bytes sent, even if some were dropped."""
        try:
            self.file.seek(0)
        except OSError as error:
            # Seeking flushes the last buffered piece.
            self.file.fault = error
        self.file.size = file_size
        return self.file

    def upload_interrupted(self) -> None:
        """Drop the file of a sender that disconnected."""
        if hasattr(self, "file"):
            self.file.close()


def uploads_capped(request: HttpRequest) -> None:
    """Make this request use `CappedUploadHandler`; call it before anything reads the body."""
    request.upload_handlers = [CappedUploadHandler(request)]
