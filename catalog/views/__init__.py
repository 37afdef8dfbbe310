"""The catalog's pages, one module per screen."""

from catalog.views.media import song_audio, song_cover
from catalog.views.uploads import (
    duplicate_remove,
    duplicates_keep,
    session_discard,
    upload_changes,
    upload_compare,
    upload_hide,
    upload_retry,
    upload_rows,
    uploads,
    uploads_hide,
    uploads_retry,
)

__all__ = [
    "duplicate_remove",
    "duplicates_keep",
    "session_discard",
    "song_audio",
    "song_cover",
    "upload_changes",
    "upload_compare",
    "upload_hide",
    "upload_retry",
    "upload_rows",
    "uploads",
    "uploads_hide",
    "uploads_retry",
]
