"""The two languages in which a service is told what is played: ListenBrainz and AudioScrobbler 2.0.

Sources: https://listenbrainz.readthedocs.io/en/latest/users/api/core.html, https://www.last.fm/api/scrobbling.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.utils.translation import gettext as _

from catalog.exceptions import ServiceAwayError
from catalog.web import Answer, ask
from recommender.exceptions import ServiceRefusedError

LISTENBRAINZ_URL = "https://api.listenbrainz.org"
LAST_FM_URL = "https://ws.audioscrobbler.com/2.0/"
CLIENT = "Moodplane"
# Both take no more at once.
MOST_AT_ONCE = 50
_LOVED_AT_ONCE = 100
_MOST_LOVED = 20_000
# https://www.last.fm/api/errorcodes: bad session, key, signature; what passes by itself.
_REFUSALS = frozenset({4, 9, 10, 13, 14, 26})
_PASSING = frozenset({8, 11, 16, 29})


@dataclass(frozen=True, slots=True)
class Play:
    """A song as services are told of it."""

    artist: str
    title: str
    album: str
    album_artist: str
    track_number: int | None
    duration_s: float
    recording_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Loved:
    """A song that a listener loves elsewhere."""

    artist: str
    title: str
    recording_id: str


class Service(Protocol):
    """One account of a service.

    Every call raises ServiceRefusedError where the listener must act, ServiceAwayError where waiting helps, and
    AddressRefusedError where the address may not be asked.
    """

    def playing(self, play: Play) -> None: ...

    def listens(self, plays: Sequence[Play]) -> None: ...

    def loved(self) -> list[Loved]: ...


class ListenBrainz:
    """An account of ListenBrainz, or of a server that speaks its language."""

    def __init__(self, url: str, secrets: Mapping[str, str], user_name: str = "", *, may_be_private: bool) -> None:
        self._url, self._token, self._user_name = url.rstrip("/"), secrets.get("token", ""), user_name
        self._may_be_private = may_be_private

    def user(self) -> str:
        """Return whose token it is."""
        answer = self._ask("GET", "/1/validate-token")
        if not answer.get("valid"):
            raise ServiceRefusedError(_("ListenBrainz does not know this token."))
        return str(answer.get("user_name") or "")

    def playing(self, play: Play) -> None:
        self._submit("playing_now", [{"track_metadata": _metadata(play)}])

    def listens(self, plays: Sequence[Play]) -> None:
        payload = [
            {"listened_at": int(play.started_at.timestamp()), "track_metadata": _metadata(play)} for play in plays
        ]
        self._submit("single" if len(payload) == 1 else "import", payload)

    def loved(self) -> list[Loved]:
        found: list[Loved] = []
        while len(found) < _MOST_LOVED:
            query = {"score": 1, "metadata": "true", "count": _LOVED_AT_ONCE, "offset": len(found)}
            answer = self._ask("GET", f"/1/feedback/user/{self._user_name}/get-feedback", query=query)
            rows = answer.get("feedback") or []
            for row in rows:
                about = row.get("track_metadata") or {}
                names = str(about.get("artist_name") or ""), str(about.get("track_name") or "")
                found.append(Loved(*names, str(row.get("recording_mbid") or "")))
            if not rows or len(found) >= int(answer.get("total_count") or 0):
                break
        return found

    def _submit(self, kind: str, payload: list[dict[str, Any]]) -> None:
        self._ask("POST", "/1/submit-listens", data={"listen_type": kind, "payload": payload})

    def _ask(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Token {self._token}"}
        answer = ask(method, self._url + path, headers=headers, may_be_private=self._may_be_private, **what)
        if answer.status == 401:
            raise ServiceRefusedError(_("ListenBrainz does not know this token."))
        return _document(answer)


def _metadata(play: Play) -> dict[str, Any]:
    more: dict[str, Any] = {
        "media_player": CLIENT,
        "submission_client": CLIENT,
        "duration_ms": round(play.duration_s * 1000),
    }
    if play.recording_id:
        more["recording_mbid"] = play.recording_id
    if play.track_number:
        more["tracknumber"] = play.track_number
    about = {"artist_name": play.artist, "track_name": play.title, "additional_info": more}
    return about | ({"release_name": play.album} if play.album else {})


class AudioScrobbler:
    """An account of Last.fm, or of a server that speaks its language."""

    def __init__(self, url: str, secrets: Mapping[str, str], user_name: str = "", *, may_be_private: bool) -> None:
        self._url, self._secrets, self._user_name = url, secrets, user_name
        self._may_be_private = may_be_private

    def session(self, user_name: str, password: str) -> tuple[str, str]:
        """Return the name and the session key of a user; the password is not kept."""
        answer = self._ask("auth.getMobileSession", {"username": user_name, "password": password})
        session = answer.get("session") or {}
        if not session.get("key"):
            raise ServiceRefusedError(_("This service knows no such user or password."))
        return str(session.get("name") or user_name), str(session["key"])

    def playing(self, play: Play) -> None:
        self._ask("track.updateNowPlaying", {**_parameters(play), "sk": self._secrets["session"]})

    def listens(self, plays: Sequence[Play]) -> None:
        sent = {"sk": self._secrets["session"]}
        for place, play in enumerate(plays):
            values = {**_parameters(play), "timestamp": str(int(play.started_at.timestamp()))}
            sent |= {f"{name}[{place}]": value for name, value in values.items()}
        self._ask("track.scrobble", sent)

    def loved(self) -> list[Loved]:
        found: list[Loved] = []
        page, n_pages = 1, 1
        while page <= n_pages and len(found) < _MOST_LOVED:
            sent = {"user": self._user_name, "limit": str(_LOVED_AT_ONCE), "page": str(page)}
            listed = self._ask("user.getLovedTracks", sent).get("lovedtracks") or {}
            tracks = listed.get("track") or []
            for track in tracks if isinstance(tracks, list) else [tracks]:
                artist = track.get("artist") or {}
                names = str(artist.get("name") or ""), str(track.get("name") or "")
                found.append(Loved(*names, str(track.get("mbid") or "")))
            n_pages = int((listed.get("@attr") or {}).get("totalPages") or 1)
            page += 1
        return found

    def _ask(self, method: str, values: Mapping[str, str]) -> dict[str, Any]:
        sent = {"method": method, "api_key": self._secrets.get("api_key", ""), **values}
        form = {**sent, "api_sig": signature(sent, self._secrets.get("api_secret", "")), "format": "json"}
        answer = ask("POST", self._url, form=form, may_be_private=self._may_be_private)
        said = answer.json()
        if isinstance(said, dict) and "error" in said:
            code, message = int(said["error"]), str(said.get("message") or "")
            if code in _REFUSALS:
                raise ServiceRefusedError(_("The service refuses this account: %(reason)s") % {"reason": message})
            if code not in _PASSING:
                raise ServiceRefusedError(_("The service does not understand: %(reason)s") % {"reason": message})
            raise ServiceAwayError(message)
        return _document(answer)


def signature(values: Mapping[str, str], secret: str) -> str:
    """Return `api_sig`: MD5 of all names and values in alphabetical order, and the secret."""
    text = "".join(f"{name}{values[name]}" for name in sorted(values))
    # The protocol's own choice; it protects no password.
    return hashlib.md5((text + secret).encode(), usedforsecurity=False).hexdigest()


def _parameters(play: Play) -> dict[str, str]:
    values = {
        "artist": play.artist,
        "track": play.title,
        "album": play.album,
        "albumArtist": play.album_artist,
        "trackNumber": str(play.track_number or ""),
        "duration": str(round(play.duration_s)),
        "mbid": play.recording_id,
    }
    return {name: value for name, value in values.items() if value}


def _document(answer: Answer) -> dict[str, Any]:
    said = answer.json()
    if answer.is_ok and isinstance(said, dict):
        return said
    reason = said.get("error") if isinstance(said, dict) else ""
    if 400 <= answer.status < 500 and answer.status not in (408, 425, 429):
        words = _("The service does not understand: %(reason)s")
        raise ServiceRefusedError(words % {"reason": reason or json.dumps(answer.status)})
    raise ServiceAwayError(_("The other server answered with %(status)d.") % {"status": answer.status})
