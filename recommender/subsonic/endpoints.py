"""Every endpoint of the specification: what answers it, or the status of HTTP that says why nothing does.

501 is what this server might do one day; 410 is what the protocol itself has given up, or what is no music.
"""

from __future__ import annotations

from http import HTTPStatus

from recommender.subsonic import (
    absent,
    annotation,
    bookmarks,
    browsing,
    lists,
    media,
    play_queue,
    playlists,
    searching,
    shares,
    sonic,
    system,
    users,
)
from recommender.subsonic.calls import Handler

# Asked before anybody is known.
OPEN = {"getOpenSubsonicExtensions": system.get_open_subsonic_extensions}

HANDLERS: dict[str, Handler] = {
    # System and scan
    "ping": system.ping,
    "getLicense": system.get_license,
    "tokenInfo": system.token_info,
    "getScanStatus": system.get_scan_status,
    "startScan": system.get_scan_status,
    # Browsing
    "getMusicFolders": browsing.get_music_folders,
    "getIndexes": browsing.get_indexes,
    "getMusicDirectory": browsing.get_music_directory,
    "getGenres": browsing.get_genres,
    "getArtists": browsing.get_artists,
    "getArtist": browsing.get_artist,
    "getAlbum": browsing.get_album,
    "getSong": browsing.get_song,
    "getVideos": browsing.get_videos,
    "getArtistInfo": browsing.get_artist_info,
    "getArtistInfo2": browsing.get_artist_info2,
    "getAlbumInfo": browsing.get_album_info,
    "getAlbumInfo2": browsing.get_album_info,
    "getTopSongs": browsing.get_top_songs,
    # Lists
    "getAlbumList": lists.get_album_list,
    "getAlbumList2": lists.get_album_list2,
    "getRandomSongs": lists.get_random_songs,
    "getSongsByGenre": lists.get_songs_by_genre,
    "getNowPlaying": lists.get_now_playing,
    "getStarred": lists.get_starred,
    "getStarred2": lists.get_starred2,
    # Searching
    "search": searching.search,
    "search2": searching.search2,
    "search3": searching.search3,
    # Playlists
    "getPlaylists": playlists.get_playlists,
    "getPlaylist": playlists.get_playlist,
    "createPlaylist": playlists.create_playlist,
    "updatePlaylist": playlists.update_playlist,
    "deletePlaylist": playlists.delete_playlist,
    # Media
    "stream": media.stream,
    "download": media.download,
    "getCoverArt": media.get_cover_art,
    "getAvatar": media.get_avatar,
    "getLyrics": media.get_lyrics,
    "getLyricsBySongId": media.get_lyrics_by_song_id,
    # Annotation
    "star": annotation.star,
    "unstar": annotation.unstar,
    "setRating": annotation.set_rating,
    "scrobble": annotation.scrobble,
    "reportPlayback": annotation.report_playback,
    # Bookmarks and queue
    "getBookmarks": bookmarks.get_bookmarks,
    "createBookmark": bookmarks.create_bookmark,
    "deleteBookmark": bookmarks.delete_bookmark,
    "getPlayQueue": play_queue.get_play_queue,
    "getPlayQueueByIndex": play_queue.get_play_queue_by_index,
    "savePlayQueue": play_queue.save_play_queue,
    "savePlayQueueByIndex": play_queue.save_play_queue_by_index,
    # What sounds alike
    "getSimilarSongs": sonic.get_similar_songs,
    "getSimilarSongs2": sonic.get_similar_songs2,
    "getSonicSimilarTracks": sonic.get_sonic_similar_tracks,
    "findSonicPath": sonic.find_sonic_path,
    # Users
    "getUser": users.get_user,
    "getUsers": users.get_users,
    # Sharing
    "getShares": shares.get_shares,
    "createShare": shares.create_share,
    "updateShare": shares.update_share,
    "deleteShare": shares.delete_share,
    # Radio and podcasts
    "getInternetRadioStations": absent.get_internet_radio_stations,
    "getPodcasts": absent.get_podcasts,
    "getNewestPodcasts": absent.get_newest_podcasts,
}

MISSING: dict[str, HTTPStatus] = {
    # Accounts are made and changed on the site alone.
    "createUser": HTTPStatus.NOT_IMPLEMENTED,
    "updateUser": HTTPStatus.NOT_IMPLEMENTED,
    "deleteUser": HTTPStatus.NOT_IMPLEMENTED,
    "changePassword": HTTPStatus.NOT_IMPLEMENTED,
    "createInternetRadioStation": HTTPStatus.NOT_IMPLEMENTED,
    "updateInternetRadioStation": HTTPStatus.NOT_IMPLEMENTED,
    "deleteInternetRadioStation": HTTPStatus.NOT_IMPLEMENTED,
    "refreshPodcasts": HTTPStatus.NOT_IMPLEMENTED,
    "createPodcastChannel": HTTPStatus.NOT_IMPLEMENTED,
    "deletePodcastChannel": HTTPStatus.NOT_IMPLEMENTED,
    "deletePodcastEpisode": HTTPStatus.NOT_IMPLEMENTED,
    "downloadPodcastEpisode": HTTPStatus.NOT_IMPLEMENTED,
    "getPodcastEpisode": HTTPStatus.NOT_IMPLEMENTED,
    "jukeboxControl": HTTPStatus.NOT_IMPLEMENTED,
    # The extension `transcoding`, which is not among those offered.
    "getTranscodeDecision": HTTPStatus.NOT_IMPLEMENTED,
    "getTranscodeStream": HTTPStatus.NOT_IMPLEMENTED,
    "hls.m3u8": HTTPStatus.NOT_IMPLEMENTED,
    # Chat and video are of the first Subsonic, and none of a library of songs.
    "getChatMessages": HTTPStatus.GONE,
    "addChatMessage": HTTPStatus.GONE,
    "getVideoInfo": HTTPStatus.GONE,
    "getCaptions": HTTPStatus.GONE,
}
