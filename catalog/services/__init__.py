"""Everything that writes to the catalog."""

from catalog.services.ingest import IngestSummary, audio_files_find, paths_ingest
from catalog.services.songs import name_key, song_create, song_delete
from catalog.services.states import (
    song_mark_failed,
    song_mark_tagged,
    song_retry,
    songs_announce,
    songs_claim,
    songs_queue,
    songs_reconcile,
    songs_release,
    songs_renew,
)
from catalog.services.uploads import upload_create

__all__ = [
    "IngestSummary",
    "audio_files_find",
    "name_key",
    "paths_ingest",
    "song_create",
    "song_delete",
    "song_mark_failed",
    "song_mark_tagged",
    "song_retry",
    "songs_announce",
    "songs_claim",
    "songs_queue",
    "songs_reconcile",
    "songs_release",
    "songs_renew",
    "upload_create",
]
