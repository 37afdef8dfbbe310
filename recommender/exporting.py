"""Playlists as files that other players read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header

from emotion.inference.quadrants import Quadrant
from recommender.formats.files import FORMATS, Track
from recommender.models import Playlist, PlaylistItem

# Characters that file systems refuse or shells interpret.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]+')
_MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class PlaylistFile:
    """A file to be saved."""

    name: str
    content_type: str
    text: str


def playlist_file(playlist: Playlist, *, suffix: str, site: str) -> PlaylistFile:
    """Write a playlist that has its items, as `playlist_visible` returns it.

    Args:
        playlist: what to write.
        suffix: one of `FORMATS`.
        site: this site's address, such as "https://music.example/", for the addresses of songs.

    Raises:
        KeyError: there is no such format.
    """
    file_format = FORMATS[suffix]
    text = file_format.write(playlist.title, [_track(item, site) for item in playlist.items.all()])
    name = _UNSAFE.sub(" ", playlist.title).strip(" .")[:_MAX_NAME] or "playlist"
    return PlaylistFile(f"{name}.{suffix}", file_format.content_type, text)


def export_response(playlist: Playlist, suffix: str, site: str) -> HttpResponse:
    """Answer with a playlist as a file to be saved; 404 for an unknown format."""
    try:
        file = playlist_file(playlist, suffix=suffix, site=site)
    except KeyError:
        raise Http404(suffix) from None
    disposition = content_disposition_header(True, file.name) or "attachment"
    return HttpResponse(file.text, content_type=file.content_type, headers={"Content-Disposition": disposition})


def _track(item: PlaylistItem, site: str) -> Track:
    song = item.song
    estimates = getattr(song, "current_estimates", [])
    estimate = estimates[0] if estimates else None
    return Track(
        location=urljoin(site, reverse("catalog:song_audio", args=[song.pk])),
        page=urljoin(site, reverse("recommender:song_detail", args=[song.pk])),
        title=song.title,
        artist=song.artist.name,
        album=song.album.title if song.album else "",
        duration_s=song.duration_s,
        reason=item.reason,
        valence=estimate.effective_valence if estimate else None,
        arousal=estimate.effective_arousal if estimate else None,
        quadrant=Quadrant(estimate.effective_quadrant).name if estimate else "",
    )
