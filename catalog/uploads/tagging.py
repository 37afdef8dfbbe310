"""Writes tags into the files of songs, and takes them back: stored copies and, where asked for, files in folders.

What stood in the file is kept, so that it can be restored; what somebody has written there since stays. The sound is
compared before and after, and nothing is written if it differs. The bytes before remain the song's own
(`EarlierContent`), so that no copy of them becomes another song.
"""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _

from catalog.core.files import digest, replace_atomic, sync
from catalog.core.locks import advisory_lock, content_lock
from catalog.exceptions import TagsNotWritableError
from catalog.files.storage import StagedFile, file_lost, incoming_path, local_copy, media_exists, storage_full_explained
from catalog.files.tag_writing import TagFile, Texts
from catalog.models import EarlierContent, FolderFile, Song, WrittenTags
from catalog.songs.replacing import sound_digest
from catalog.songs.services import content_set
from catalog.uploads.walking import device_of, signature_of


@dataclass(frozen=True, slots=True)
class TagChange:
    """One name in a file's tags, with its values before and after; None where there is none."""

    field: str
    name: str
    before: Texts | None
    after: Texts | None


@dataclass(slots=True)
class Tagging:
    """What is, or would be, written into the files of a song.

    `kept` are fields whose values come from elsewhere and stay; `n_files` counts files in watched folders, and `faults`
    says of which of them could not be written, and why.
    """

    changes: list[TagChange] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    n_files: int = 0
    faults: list[str] = field(default_factory=list)


# A value for each field; None where there is nothing to say, so that what was written earlier is taken back.
Wanted = Mapping[str, str | None]
# Fields that only this program writes.
_OURS = ("valence", "arousal", "confidence", "model")


def song_tags_plan(*, song: Song, wanted: Wanted, overwrite: bool = False, in_folders: bool = False) -> Tagging:
    """Return what writing would change; nothing is written.

    Raises:
        TagsNotWritableError: The kind of file, or its tags.
        SongFileLostError: The file is gone.
    """
    with _existing(song) as path:
        tagging = _plan(TagFile(path), wanted, _written(song), overwrite=overwrite)
    if in_folders:
        _folders_plan(song, tagging)
    return tagging


def song_tags_write(
    *, song: Song, wanted: Wanted, overwrite: bool = False, in_folders: bool = False, keep_times: bool = False
) -> Tagging:
    """Write fields into the tags of a song's file.

    Args:
        song: The song.
        wanted: By field of `tag_writing.FIELDS`.
        overwrite: Whether values that others wrote are replaced.
        in_folders: Whether its files in watched folders get the same bytes.
        keep_times: Whether those keep the time of their last change.

    Raises:
        TagsNotWritableError: The kind of file, its tags, or a sound that would not be the same.
        SongFileLostError, StorageFullError: The file is gone, or there is no room for its copy.
    """
    written = _written(song)
    with _copied(song) as copy:
        file = TagFile(copy)
        tagging = _plan(file, wanted, written, overwrite=overwrite)
        before = {change.name: change.before for change in tagging.changes}
        after = {change.name: change.after for change in tagging.changes}
        record = WrittenTags(
            pk=written.pk if written else None,
            song=song,
            # The first writing found what the file had of its own.
            before=before | written.before if written else before,
            after=written.after | after if written else after,
            in_folders=in_folders or bool(written and written.in_folders),
        )
        if tagging.changes:
            _adopt(song, copy, file, tagging.changes, record)
        elif written and record.in_folders != written.in_folders:
            record.save()
    if in_folders:
        _folders_write(song, tagging, keep_times=keep_times)
    return tagging


def songs_for_tagging(song_ids: Sequence[int], *, with_files: bool = True) -> list[Song]:
    """Return songs in this order, read with what the functions here ask of them, and with their files in folders."""
    songs = Song.objects.filter(pk__in=song_ids).select_related("artist", "written_tags").defer("search")
    by_id = {song.pk: song for song in (songs.prefetch_related("folder_files__folder") if with_files else songs)}
    return [by_id[pk] for pk in song_ids if pk in by_id]


def song_tags_restore(*, song: Song, keep_times: bool = False, is_trial: bool = False) -> Tagging:
    """Give back what stood in the tags before anything was written here; values that are others' since then stay.

    Files in watched folders follow where they were written. With `is_trial` nothing is written.

    Raises:
        As `song_tags_write`.
    """
    written = _written(song)
    if written is None:
        return Tagging()
    with _copied(song) as copy:
        file, tagging = TagFile(copy), Tagging()
        for names in file.names.items():
            for name in names[1]:
                if name not in written.after:
                    continue
                now = file.get(name)
                if now != written.after[name]:
                    tagging.kept.append(names[0])
                elif now != written.before.get(name):
                    tagging.changes.append(TagChange(names[0], name, now, written.before.get(name)))
        if is_trial:
            return tagging
        if tagging.changes:
            _adopt(song, copy, file, tagging.changes, None)
        WrittenTags.objects.filter(song=song).delete()
    if written.in_folders:
        _folders_write(song, tagging, keep_times=keep_times)
    return tagging


# --- The stored copy --------------------------------------------------------------------------------------------------


def _written(song: Song) -> WrittenTags | None:
    try:
        return song.written_tags
    except WrittenTags.DoesNotExist:
        return None


@contextmanager
def _existing(song: Song) -> Iterator[Path]:
    if not media_exists(song.audio):
        raise file_lost()
    with local_copy(song.audio) as path:
        yield path


@contextmanager
def _copied(song: Song) -> Iterator[Path]:
    copy = incoming_path(f"{uuid.uuid4().hex}.part")
    try:
        with _existing(song) as path, storage_full_explained():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _plan(file: TagFile, wanted: Wanted, written: WrittenTags | None, *, overwrite: bool) -> Tagging:
    tagging = Tagging()
    for name_of_field, value in wanted.items():
        for name in file.names.get(name_of_field, ()):
            now = file.get(name)
            is_ours = written is not None and name in written.after and written.after[name] == now
            unsaid = written.before.get(name) if written and is_ours else now
            after = unsaid if value is None else [value]
            if now == after:
                continue
            if now is None or is_ours or overwrite or name_of_field in _OURS:
                tagging.changes.append(TagChange(name_of_field, name, now, after))
            elif name_of_field not in tagging.kept:
                tagging.kept.append(name_of_field)
    return tagging


def _adopt(song: Song, copy: Path, file: TagFile, changes: list[TagChange], record: WrittenTags | None) -> None:
    """Write the changes into the copy, see that its sound is the same, and make it the song's file."""
    sound = sound_digest(copy, with_last=True)
    for change in changes:
        file.set(change.name, change.after)
    with storage_full_explained():
        file.save()
        sync(copy)
    if not sound or sound_digest(copy, with_last=True) != sound:
        raise TagsNotWritableError(
            _("With these tags its sound would not be the same to the bit, so nothing is written.")
        )
    staged = StagedFile(copy, digest(copy), copy.stat().st_size)
    with transaction.atomic(), advisory_lock(content_lock(staged.content_hash)):
        now = Song.objects.select_for_update(no_key=True).filter(pk=song.pk).values_list("content_hash", flat=True)
        if list(now) != [song.content_hash]:
            raise TagsNotWritableError(_("Its file was changed meanwhile. Try again."))
        if Song.objects.filter(content_hash=staged.content_hash).exclude(pk=song.pk).exists():
            raise TagsNotWritableError(_("Another song has exactly this file already: remove one of the two."))
        if staged.content_hash != song.content_hash:
            gains = _gains(changes)
            content_set(song=song, staged=staged, extension=Path(str(song.audio.name)).suffix.lstrip("."), **gains)
        if record is not None:
            record.save()


def _gains(changes: list[TagChange]) -> dict[str, float | None]:
    """Return the gain and peak of the song as its tags have them now, where they have changed."""
    columns = {"track_gain": "track_gain_db", "track_peak": "track_peak"}
    gains: dict[str, float | None] = {}
    for change in changes:
        if column := columns.get(change.field):
            text = change.after[0].removesuffix(" dB") if change.after else None
            gains[column] = float(text) if text and _is_number(text) else None
        elif change.field == "track_r128":
            text = change.after[0] if change.after else None
            gains["track_gain_db"] = int(text) / 256 + 5.0 if text and _is_number(text) else None
    return gains


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- Files in watched folders -----------------------------------------------------------------------------------------


def _files(song: Song) -> list[FolderFile]:
    return [row for row in song.folder_files.all() if row.missing_since is None]


def _place(row: FolderFile) -> Path:
    # Where a link leads: a rename over the link would leave the file as it is.
    return Path(os.fsdecode(bytes(row.folder.path)), os.fsdecode(bytes(row.path))).resolve()


def _folders_plan(song: Song, tagging: Tagging) -> None:
    for row in _files(song):
        if fault := _fault(_place(row)):
            tagging.faults.append(f"{row}: {fault}")
        else:
            tagging.n_files += 1


def _fault(place: Path) -> str:
    try:
        is_file = stat.S_ISREG(place.stat().st_mode)
    except OSError:
        is_file = False
    if not is_file:
        return _("It is not there at the moment.")
    if not (os.access(place, os.W_OK) and os.access(place.parent, os.W_OK)):
        return _("Moodplane may not write it, or not into its folder.")
    return ""


def _folders_write(song: Song, tagging: Tagging, *, keep_times: bool) -> None:
    with local_copy(song.audio) as source:
        for row in _files(song):
            place = _place(row)
            fault = _fault(place)
            if not fault:
                try:
                    fault = _file_write(song, row, place, source, keep_times=keep_times)
                except OSError as error:
                    fault = _("It could not be written: %(reason)s.") % {"reason": error.strerror or error}
            if fault:
                tagging.faults.append(f"{row}: {fault}")
            else:
                tagging.n_files += 1


def _file_write(song: Song, row: FolderFile, place: Path, source: Path, *, keep_times: bool) -> str:
    """Give a file of a folder the bytes of the song's stored copy; return why not."""
    seen = signature_of(place.stat())
    content_hash = digest(place)
    own = {song.content_hash, *EarlierContent.objects.filter(song=song).values_list("content_hash", flat=True)}
    if content_hash not in own:
        return _("It has been changed since Moodplane read it; when it is read again, try again.")

    def check() -> None:
        if signature_of(place.stat()) != seen:
            raise OSError(None, _("another program has just changed it"))

    if content_hash != song.content_hash:
        replace_atomic(place, source, keep_times=keep_times, check=check)
    status = place.stat()
    # The next scan then knows it. Were this lost, the scan would read the file and know its content.
    size_bytes, mtime_ns, ctime_ns = signature_of(status)
    FolderFile.objects.filter(pk=row.pk).update(
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
        ctime_ns=ctime_ns,
        device=device_of(status),
        content_hash=song.content_hash,
    )
    return ""
