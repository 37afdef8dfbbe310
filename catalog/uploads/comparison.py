"""A file beside the song that it is, or may be: what a curator looks at before deciding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from catalog.models import Song, Upload
from catalog.uploads.page import first_upload_of, questions_of


@dataclass(frozen=True, slots=True)
class Side:
    """One column of a comparison; `song` is None for a file that did not become one."""

    is_new: bool
    song: Song | None
    file_name: str
    size_bytes: int
    offered_at: datetime | None
    offered_by: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """An upload beside what it is compared with; `is_question` when somebody has to decide."""

    upload: Upload
    sides: list[Side]
    is_question: bool


def compare(upload: Upload) -> Comparison | None:
    """Put an upload beside the song that its bytes already are, or beside those that its song may be."""
    if upload.outcome == Upload.Outcome.DUPLICATE and upload.song is not None:
        return Comparison(upload, [_side(upload, song=None), _side_of(upload.song)], is_question=False)
    others = questions_of(upload)
    if not others:
        return None
    return Comparison(upload, [_side(upload, song=upload.song), *map(_side_of, others)], is_question=True)


def _side(upload: Upload, song: Song | None) -> Side:
    """The file that was offered now."""
    who = upload.owner.get_username() if upload.owner else ""
    return Side(True, song, upload.file_name, upload.size_bytes, upload.created_at, who)


def _side_of(song: Song) -> Side:
    """A song that was here before."""
    brought = first_upload_of(song)
    who = brought.owner.get_username() if brought and brought.owner else ""
    name = brought.file_name if brought else ""
    return Side(False, song, name, song.size_bytes, brought.created_at if brought else song.created_at, who)
