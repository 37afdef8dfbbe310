"""Pages for listeners. A view checks its input, calls a service or a selector, and renders.

Fragments are the same partials that the pages include. A boosted link asks for a whole page, of which the browser keeps
`#main`, so only requests for which `wants_fragment` is true get less.
"""

from recommender.views.exchange import playlist_export, playlist_import
from recommender.views.feedback import (
    song_completed,
    song_felt,
    song_felt_undo,
    song_felt_withdraw,
    song_played,
    song_skipped,
)
from recommender.views.home import (
    home,
    home_body,
    mood_report,
    mood_withdraw,
    tagging_progress,
)
from recommender.views.journeys import journey
from recommender.views.liking import song_liked
from recommender.views.pad import artist_options, pad_points, pad_song
from recommender.views.playlists import (
    playlist_delete,
    playlist_detail,
    playlist_item_move,
    playlist_item_remove,
    playlist_item_restore,
    playlist_items,
    playlist_list,
    playlist_regenerate,
    playlist_rename,
    playlist_rerank,
    playlist_restore,
    playlist_save,
    playlist_unsave,
)
from recommender.views.sharing import (
    playlist_share,
    playlist_unshare,
    shared_copy,
    shared_playlist,
)
from recommender.views.songs import song_detail, song_list, song_playlist

__all__ = [
    "artist_options",
    "home",
    "home_body",
    "journey",
    "mood_report",
    "mood_withdraw",
    "pad_points",
    "pad_song",
    "playlist_delete",
    "playlist_detail",
    "playlist_export",
    "playlist_import",
    "playlist_item_move",
    "playlist_item_remove",
    "playlist_item_restore",
    "playlist_items",
    "playlist_list",
    "playlist_regenerate",
    "playlist_rename",
    "playlist_rerank",
    "playlist_restore",
    "playlist_save",
    "playlist_share",
    "playlist_unsave",
    "playlist_unshare",
    "shared_copy",
    "shared_playlist",
    "song_completed",
    "song_detail",
    "song_felt",
    "song_felt_undo",
    "song_felt_withdraw",
    "song_liked",
    "song_list",
    "song_played",
    "song_playlist",
    "song_skipped",
    "tagging_progress",
]
