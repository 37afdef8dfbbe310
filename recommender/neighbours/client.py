"""A client of another server that speaks OpenSubsonic: what is read there, and the only calls that change anything.

Source: https://opensubsonic.netlify.app/docs/api-reference/.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.exceptions import ServiceAwayError
from catalog.web import MAX_ANSWER_BYTES, Answer, ask
from recommender.exceptions import ServiceRefusedError

CLIENT, VERSION = "Moodplane", "1.16.1"
_SONGS_AT_ONCE, _ALBUMS_AT_ONCE = 500, 500
# https://opensubsonic.netlify.app/docs/responses/error/
_NOT_FOUND = 70


class _NotFoundError(ServiceRefusedError):
    pass


@dataclass(frozen=True, slots=True)
class RemoteSong:
    """A song as the other server lists it."""

    id: str
    title: str
    artist: str
    path: str
    suffix: str
    size_bytes: int
    created: str


@dataclass(frozen=True, slots=True)
class Client:
    """One account there; with `sends_password`, servers that keep only a hash of passwords are asked as well.

    Calls raise ServiceAwayError where waiting helps, ServiceRefusedError where it does not, and AddressRefusedError.
    """

    url: str
    user_name: str
    password: str
    sends_password: bool = False
    may_be_private: bool = True

    def ping(self) -> str:
        """Return the name of the server and its version."""
        answer = self._call("ping")
        return " ".join(str(answer.get(name) or "") for name in ("type", "serverVersion")).strip() or "Subsonic"

    def songs(self) -> Iterator[RemoteSong]:
        """Yield all songs, some hundred at a time: by an empty search, or album by album where that finds nothing."""
        offset, seen = 0, False
        while True:
            query = {"query": "", "artistCount": 0, "albumCount": 0, "songCount": _SONGS_AT_ONCE, "songOffset": offset}
            found = (self._call("search3", **query).get("searchResult3") or {}).get("song") or []
            yield from map(_song, found)
            seen = seen or bool(found)
            offset += len(found)
            # A server may give fewer at once than it was asked for.
            if not found:
                break
        if not seen:
            yield from self._songs_by_album()

    def _songs_by_album(self) -> Iterator[RemoteSong]:
        offset = 0
        while True:
            query = {"type": "alphabeticalByName", "size": _ALBUMS_AT_ONCE, "offset": offset}
            albums = (self._call("getAlbumList2", **query).get("albumList2") or {}).get("album") or []
            for album in albums:
                yield from map(_song, (self._call("getAlbum", id=album["id"]).get("album") or {}).get("song") or [])
            offset += len(albums)
            if not albums:
                break

    def download(self, song_id: str, max_bytes: int) -> bytes:
        """Return the file of a song as it is stored there."""
        answer = self._ask("download", max_bytes, {"id": song_id})
        kind = answer.headers.get("Content-Type", "")
        if not answer.is_ok or kind.startswith(("application/json", "text/")):
            _document(answer)
            raise ServiceAwayError(f"The file was answered with {answer.status} {kind}.")
        return answer.body

    def playlists(self) -> dict[str, tuple[str, str]]:
        """Return by its id the name and the owner of each playlist."""
        found = (self._call("getPlaylists").get("playlists") or {}).get("playlist") or []
        return {str(each["id"]): (str(each.get("name") or ""), str(each.get("owner") or "")) for each in found}

    def playlist_songs(self, playlist_id: str) -> list[str]:
        """Return the songs of a playlist in their order."""
        entries = (self._call("getPlaylist", id=playlist_id).get("playlist") or {}).get("entry") or []
        return [str(each["id"]) for each in entries]

    def playlist_create(self, name: str, song_ids: Sequence[str]) -> str:
        """Make a playlist, and return its id; not every server says it."""
        before = self.playlists()
        made = self._call("createPlaylist", name=name, songId=list(song_ids)).get("playlist") or {}
        if made.get("id"):
            return str(made["id"])
        new = [pk for pk, (title, _owner) in self.playlists().items() if pk not in before and title == name]
        if len(new) != 1:
            raise ServiceAwayError("The new playlist is not among those that the server lists.")
        return new[0]

    def playlist_fill(self, playlist_id: str, song_ids: Sequence[str]) -> bool:
        """Give a playlist other songs; return whether there is such a one."""
        return self._done("createPlaylist", playlistId=playlist_id, songId=list(song_ids))

    def playlist_comment(self, playlist_id: str, comment: str) -> None:
        """Say what a playlist is."""
        self._call("updatePlaylist", playlistId=playlist_id, comment=comment)

    def playlist_delete(self, playlist_id: str) -> bool:
        """Delete a playlist; return whether there was such a one."""
        return self._done("deletePlaylist", id=playlist_id)

    def _done(self, endpoint: str, **values: Any) -> bool:
        try:
            self._call(endpoint, **values)
        except _NotFoundError:
            return False
        return True

    def _call(self, endpoint: str, /, **values: Any) -> dict[str, Any]:
        return _document(self._ask(endpoint, MAX_ANSWER_BYTES, values))

    def _ask(self, endpoint: str, max_bytes: int, values: Mapping[str, Any]) -> Answer:
        salt = secrets.token_hex(8)
        proof: dict[str, str] = {"p": f"enc:{self.password.encode().hex()}"}
        if not self.sends_password:
            # The protocol's own choice.
            digest = hashlib.md5((self.password + salt).encode(), usedforsecurity=False).hexdigest()
            proof = {"t": digest, "s": salt}
        query = {"u": self.user_name, **proof, "v": VERSION, "c": CLIENT, "f": "json", **values}
        address = f"{self.url.rstrip('/')}/rest/{endpoint}.view"
        return ask("GET", address, query=query, may_be_private=self.may_be_private, max_bytes=max_bytes)


def _song(row: dict[str, Any]) -> RemoteSong:
    texts = {name: str(row.get(name) or "") for name in ("id", "title", "artist", "path", "suffix", "created")}
    return RemoteSong(size_bytes=int(row.get("size") or 0), **texts)


def _document(answer: Answer) -> dict[str, Any]:
    said = answer.json()
    document = said.get("subsonic-response") if isinstance(said, dict) else None
    if not isinstance(document, dict):
        raise ServiceAwayError(f"The server answered with {answer.status}, and not as OpenSubsonic does.")
    if document.get("status") == "failed":
        error = document.get("error") or {}
        kind = _NotFoundError if error.get("code") == _NOT_FOUND else ServiceRefusedError
        raise kind(f"The server refuses: {error.get('message') or error.get('code')}")
    return document
