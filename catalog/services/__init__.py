"""Everything that writes to the catalog."""

from catalog.models import name_key
from catalog.services.duplicates import duplicate_remove, duplicates_keep
from catalog.services.editing import change_undo, songs_edit, values_of, values_seen
from catalog.services.ingest import IngestSummary, audio_files_find, paths_ingest
from catalog.services.sessions import (
    session_append,
    session_discard,
    session_finish,
    session_offset,
    session_open,
    sessions_tick,
)
from catalog.services.songs import cover_check, cover_store, song_create, song_delete, songs_delete
from catalog.services.states import (
    song_mark_failed,
    song_mark_tagged,
    song_retry,
    songs_announce,
    songs_claim,
    songs_queue,
    songs_reanalyse,
    songs_reconcile,
    songs_release,
    songs_renew,
    songs_retry,
)
from catalog.services.uploads import upload_create, upload_retry, uploads_hide, uploads_retry

__all__ = [
    "IngestSummary",
    "audio_files_find",
    "change_undo",
    "cover_check",
    "cover_store",
    "duplicate_remove",
    "duplicates_keep",
    "name_key",
    "paths_ingest",
    "session_append",
    "session_discard",
    "session_finish",
    "session_offset",
    "session_open",
    "sessions_tick",
    "song_create",
    "song_delete",
    "song_mark_failed",
    "song_mark_tagged",
    "song_retry",
    "songs_announce",
    "songs_claim",
    "songs_delete",
    "songs_edit",
    "songs_queue",
    "songs_reanalyse",
    "songs_reconcile",
    "songs_release",
    "songs_renew",
    "songs_retry",
    "upload_create",
    "upload_retry",
    "uploads_hide",
    "uploads_retry",
    "values_of",
    "values_seen",
]
