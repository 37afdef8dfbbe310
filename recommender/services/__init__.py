"""Everything that writes in the recommender."""

from recommender.services.feedback import feedback_record, feedback_withdraw
from recommender.services.indexing import index_rebuild, index_refresh
from recommender.services.listeners import listener_from_request, session_adopt
from recommender.services.playlists import listen_record, playlist_create, playlist_delete, playlist_rerank

__all__ = [
    "feedback_record",
    "feedback_withdraw",
    "index_rebuild",
    "index_refresh",
    "listen_record",
    "listener_from_request",
    "playlist_create",
    "playlist_delete",
    "playlist_rerank",
    "session_adopt",
]
