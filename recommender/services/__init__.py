"""Everything that writes in the recommender."""

from recommender.services.arranging import (
    item_move,
    item_remove,
    item_restore,
    item_shift,
    item_values,
)
from recommender.services.exchange import playlist_import
from recommender.services.feedback import (
    answers_of,
    feedback_record,
    feedback_restore,
    feedback_withdraw,
    rating_values,
)
from recommender.services.indexing import index_rebuild, index_refresh
from recommender.services.liking import like_withdraw
from recommender.services.listeners import listener_from_request, session_adopt
from recommender.services.listening import listen_finish, listen_record
from recommender.services.moods import mood_report, mood_withdraw
from recommender.services.playlists import (
    journey_create,
    journey_wish,
    playlist_create,
    playlist_create_around,
    playlist_delete,
    playlist_discard,
    playlist_regenerate,
    playlist_rename,
    playlist_restore,
    playlist_save,
    playlists_purge,
)
from recommender.services.reranking import playlist_rerank
from recommender.services.session_answers import (
    answer_forget,
    answer_keep,
    answer_kept,
    kept_answers_record,
    like_forget,
)
from recommender.services.sharing import playlist_copy, playlist_share, playlist_unshare

__all__ = [
    "answer_forget",
    "answer_keep",
    "answer_kept",
    "answers_of",
    "feedback_record",
    "feedback_restore",
    "feedback_withdraw",
    "index_rebuild",
    "index_refresh",
    "item_move",
    "item_remove",
    "item_restore",
    "item_shift",
    "item_values",
    "journey_create",
    "journey_wish",
    "kept_answers_record",
    "like_forget",
    "like_withdraw",
    "listen_finish",
    "listen_record",
    "listener_from_request",
    "mood_report",
    "mood_withdraw",
    "playlist_copy",
    "playlist_create",
    "playlist_create_around",
    "playlist_delete",
    "playlist_discard",
    "playlist_import",
    "playlist_regenerate",
    "playlist_rename",
    "playlist_rerank",
    "playlist_restore",
    "playlist_save",
    "playlist_share",
    "playlist_unshare",
    "playlists_purge",
    "rating_values",
    "session_adopt",
]
