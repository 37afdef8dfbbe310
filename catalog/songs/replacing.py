"""Gives a song that exists another file of its recording: it keeps its id, ratings, playlists and edits."""

import hashlib
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

from django.db import transaction

from catalog.core import claims
from catalog.core.locks import advisory_lock, content_lock
from catalog.core.names import name_key
from catalog.exceptions import FileRejectedError
from catalog.files.isolation import probe_isolated
from catalog.files.lyrics import lyrics_read
from catalog.files.probe import AudioFacts
from catalog.files.recording import encoded_sound
from catalog.files.storage import StagedFile, content_name, file_place, local_copy
from catalog.models import Lyrics, Song
from catalog.signals import song_replaced
from catalog.songs.editing import SongValues, songs_follow, values_clean
from catalog.songs.lyrics import lyrics_set
from catalog.songs.services import (
    cover_name,
    cover_store,
    media_forget,
    song_of_content,
    songs_announce,
    values_read,
)

# Another encoder pads the end.
_TOLERANCE_S = 2.0


def sound_digest(path: Path, *, with_last: bool = False) -> str:
    """Return the SHA-256 of the encoded sound, which stays when tags are edited; empty where there is none.

    `with_last` as in `encoded_sound`; the digests that are stored are without the last packet.
    """
    hashed, n_packets = hashlib.sha256(), 0
    try:
        for packet in encoded_sound(path, with_last=with_last):
            hashed.update(packet)
            n_packets += 1
    except (FileRejectedError, OSError):
        return ""
    return hashed.hexdigest() if n_packets else ""


def song_replace(*, song: Song, staged: StagedFile, facts: AudioFacts, names: tuple[str, str]) -> bool:
    """Give a song a staged file if that is another file of the same recording; return whether it is.

    The same recording has the same encoded sound, or goes on where the file of the song was cut off, or has the same
    artist and title and nearly the same length. Tags that nobody edited here follow the file. The song is analysed
    again where its sound is another. `names` are those of the earlier and of the new file.
    """
    with local_copy(song.audio) as path:
        before = _probed(path)
        is_same_sound, goes_on = _compare(path, staged.path)
    if not (is_same_sound or goes_on or (before and _is_alike(before, facts))):
        return False
    with transaction.atomic(), advisory_lock(content_lock(staged.content_hash)):
        # Another process may have stored these bytes, or deleted the song, meanwhile.
        is_known = song_of_content(staged.content_hash) is not None
        rows = Song.objects.filter(pk=song.pk)
        if is_known or not rows.select_for_update(no_key=True).exists():
            return False
        audio = content_name("audio", staged.content_hash, facts.extension)
        file_place(staged, audio)
        rows.update(
            content_hash=staged.content_hash,
            audio=audio,
            mime_type=facts.mime_type,
            size_bytes=staged.size_bytes,
            duration_s=facts.duration_s,
            sample_rate_hz=facts.sample_rate_hz,
            channels=facts.channels,
            bit_rate=facts.bit_rate,
            **asdict(facts.tags.replay_gain),
            recording_id=facts.tags.recording_id,
        )
        if before:
            songs_follow(song_id=song.pk, before=_values(before, names[0]), after=_values(facts, names[1]))
        lyrics_set(song_id=song.pk, read=lyrics_read(facts.tags.lyrics), source=Lyrics.Source.TAG)
        if facts.cover:
            # Stored under its name, whether or not the song shows it.
            cover_store(data=facts.cover.data)
        if not is_same_sound:
            # A worker that holds the song has read the earlier file; its claim ends here.
            claims.reset(rows, state=Song.State.UPLOADED)
            song_replaced.send(sender=Song, song_ids=[song.pk])
            songs_announce(song_ids=[song.pk])
        covers = {str(song.cover), _values(facts, "")["cover"]} - {""}
        earlier = {song.content_hash: str(song.audio.name)}
        transaction.on_commit(lambda: media_forget(earlier, covers))
    song.refresh_from_db()
    return True


def _probed(path: Path) -> AudioFacts | None:
    try:
        return probe_isolated(path)
    except (FileRejectedError, OSError):
        return None


def _compare(before: Path, after: Path) -> tuple[bool, bool]:
    """Return whether the encoded sound is the same, and whether the first ends where the second goes on."""
    n_alike = 0
    try:
        for earlier, later in zip_longest(encoded_sound(before), encoded_sound(after)):
            if earlier is None:
                return False, n_alike > 0
            if earlier != later:
                return False, False
            n_alike += 1
    except (FileRejectedError, OSError):
        return False, False
    return n_alike > 0, False


def _is_alike(before: AudioFacts, after: AudioFacts) -> bool:
    names = [(name_key(facts.tags.artist), name_key(facts.tags.title)) for facts in (before, after)]
    return names[0] == names[1] and all(names[0]) and abs(before.duration_s - after.duration_s) <= _TOLERANCE_S


def _values(facts: AudioFacts, file_name: str) -> SongValues:
    cover = cover_name(data=facts.cover.data) if facts.cover else ""
    return values_clean({**values_read(facts.tags, file_name), "cover": cover})
