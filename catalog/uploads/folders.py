"""Ingests whole folders from the server's disk."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.contrib.auth.models import User

from catalog.core.files import digest
from catalog.files.tags import file_name_clean
from catalog.models import Song, Upload
from catalog.songs.services import songs_announce
from catalog.uploads.services import duplicate_sentence, upload_record

# Announced together, so that the network gets full batches; a killed run leaves at most this many songs unannounced,
# which the tick finds.
_ANNOUNCE_BATCH = 16
AUDIO_SUFFIXES = frozenset(
    {".mp3", ".mp2", ".flac", ".ogg", ".oga", ".opus", ".wav", ".wave"}
    | {".aif", ".aiff", ".aifc", ".m4a", ".m4b", ".mp4", ".aac", ".alac"}
)

# Called after each file with (files done, files in all, the file).
Progress = Callable[[int, int, Path], None]


@dataclass(slots=True)
class IngestSummary:
    """The outcome of a run; `song_ids` holds the new and the existing songs."""

    added: int = 0
    duplicates: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)
    song_ids: list[int] = field(default_factory=list)


def audio_files_find(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each named file, and the files in each folder that have an audio suffix."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, subfolders, names in os.walk(path):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for name in sorted(names):
                if Path(name).suffix.lower() in AUDIO_SUFFIXES and not name.startswith("."):
                    yield Path(folder, name)


def paths_ingest(
    *, paths: Iterable[Path], owner: User | None = None, progress: Progress | None = None
) -> IngestSummary:
    """Ingest files and whole folders; a second run adds only new files, so an interrupted run can be repeated."""
    files = list(dict.fromkeys(audio_files_find(paths)))
    summary = IngestSummary()
    unannounced: list[int] = []
    announced: set[int] = set()
    for number, path in enumerate(files, start=1):
        song = _path_ingest(path, owner, summary)
        # Includes songs that an interrupted run stored without announcing; a folder may hold a recording twice.
        if song and song.state == Song.State.UPLOADED and song.pk not in announced:
            unannounced.append(song.pk)
            announced.add(song.pk)
        if len(unannounced) >= _ANNOUNCE_BATCH or number == len(files):
            songs_announce(song_ids=unannounced)
            unannounced = []
        if progress is not None:
            progress(number, len(files), path)
    summary.song_ids = list(dict.fromkeys(summary.song_ids))
    return summary


def _path_ingest(path: Path, owner: User | None, summary: IngestSummary) -> Song | None:
    try:
        # Looked up first, so that a second run copies nothing.
        song = Song.objects.select_related("artist").filter(content_hash=digest(path)).first()
        if song:
            _duplicate_record(path, owner, song)
        upload = None if song else _offer(path, owner)
    except OSError as error:
        summary.failed.append((path, f"It cannot be read: {error.strerror or error}."))
        return None
    if upload is not None and upload.song is None:
        summary.failed.append((path, upload.reason))
        return None
    is_new = upload is not None and upload.outcome == Upload.Outcome.ACCEPTED
    summary.added += is_new
    summary.duplicates += not is_new
    song = song or (upload.song if upload else None)
    if song:
        summary.song_ids.append(song.pk)
    return song


def _offer(path: Path, owner: User | None) -> Upload:
    with path.open("rb") as stream:
        upload = upload_record(owner=owner, file=stream, file_name=path.name)
    if upload.outcome == Upload.Outcome.FAILED:
        # A file that fails again in the same way has one row.
        same = {"file_name": upload.file_name, "outcome": upload.outcome, "failure_reason": upload.failure_reason}
        Upload.objects.filter(owner=owner, **same).exclude(pk=upload.pk).delete()
    return upload


def _duplicate_record(path: Path, owner: User | None, song: Song) -> None:
    name = file_name_clean(path.name)
    # One row for each file, however often the folder is offered.
    if not Upload.objects.filter(owner=owner, song=song, file_name=name).exists():
        Upload.objects.create(
            owner=owner,
            file_name=name,
            size_bytes=path.stat().st_size,
            outcome=Upload.Outcome.DUPLICATE,
            song=song,
            failure_code="duplicate",
            failure_reason=duplicate_sentence(song),
        )
