"""A list for a mood that any device plays: its addresses are signed, and expire."""

from __future__ import annotations

from urllib.parse import urljoin

from django.urls import reverse

from catalog.core.charts import Point
from catalog.files.views import song_audio_signature
from emotion.inference.quadrants import Quadrant, place_words
from recommender.formats.files import Track
from recommender.generate import generate
from recommender.requests import Listener, PlaylistRequest, Target, new_seed
from recommender.selectors import estimate_of, songs_in_order

# For scripts, in every language.
MOODS = {"happy": Quadrant.Q1, "tense": Quadrant.Q2, "sad": Quadrant.Q3, "calm": Quadrant.Q4}


def tracks_now(
    *, listener: Listener, site: str, mood: str | None, point: Point | None, length: int
) -> tuple[str, list[Track]]:
    """Return a title and songs for a mood or a point, chosen for this listener, with signed addresses of `site`."""
    target = Target.of_quadrant(MOODS[mood]) if mood else Target.of_point(*(point or (0.0, 0.0)))
    made = generate(listener=listener, request=PlaylistRequest(target, length=length, seed=new_seed()))
    reasons = {entry.song_id: entry.reason for entry in made.entries}
    tracks = []
    for song in songs_in_order(list(reasons)):
        estimate = estimate_of(song)
        signed = reverse("catalog:song_audio_signed", args=[song.pk, song_audio_signature(song.pk)])
        tracks.append(
            Track(
                location=urljoin(site, signed),
                page=urljoin(site, reverse("recommender:song_detail", args=[song.pk])),
                title=song.title,
                artist=song.by,
                album=song.album.title if song.album else "",
                duration_s=song.duration_s,
                reason=reasons[song.pk],
                valence=estimate.effective_valence if estimate else None,
                arousal=estimate.effective_arousal if estimate else None,
                quadrant=Quadrant(estimate.effective_quadrant).name if estimate else "",
            )
        )
    return MOODS[mood].label if mood else place_words(*(point or (0.0, 0.0))), tracks
