"""Everything that writes in the recommender."""

from recommender.services.arranging import item_move, item_remove, item_shift
from recommender.services.exchange import playlist_import
from recommender.services.feedback import feedback_record, feedback_withdraw
from recommender.services.indexing import index_rebuild, index_refresh
from recommender.services.listeners import listener_from_request, session_adopt
from recommender.services.listening import listen_finish, listen_record
from recommender.services.moods import mood_report, mood_withdraw
from recommender.services.playlists import (
    journey_create,
    journey_wish,
    playlist_create,
    playlist_create_around,
    playlist_delete,
    playlist_regenerate,
    playlist_rename,
    playlist_save,
)
from recommender.services.reranking import playlist_rerank
from recommender.services.sharing import playlist_copy, playlist_share, playlist_unshare

__all__ = [
    "feedback_record",
    "feedback_withdraw",
    "index_rebuild",
    "index_refresh",
    "item_move",
    "item_remove",
    "item_shift",
    "journey_create",
    "journey_wish",
    "listen_finish",
    "listen_record",
    "listener_from_request",
    "mood_report",
    "mood_withdraw",
    "playlist_copy",
    "playlist_create",
    "playlist_create_around",
    "playlist_delete",
    "playlist_import",
    "playlist_regenerate",
    "playlist_rename",
    "playlist_rerank",
    "playlist_save",
    "playlist_share",
    "playlist_unshare",
    "session_adopt",
]
