"""What follows in this app when a song gets other sound."""

from __future__ import annotations

import pytest

from catalog.models import Song
from catalog.signals import song_replaced
from emotion.models import EmotionCurve, EmotionEstimate, SaliencyMap, SoundPrint, Waveform
from tests.factories import EstimateFactory

pytestmark = pytest.mark.django_db


def test_what_was_made_of_the_earlier_sound_is_deleted() -> None:
    changed, other = (EstimateFactory().song for _ in range(2))
    for song in (changed, other):
        EmotionCurve.objects.create(song=song, model_version="1", hop_s=1.0)
        SaliencyMap.objects.create(song=song, model_version="1")
        SoundPrint.objects.create(song=song)
        Waveform.objects.create(song=song)

    song_replaced.send(sender=Song, song_ids=[changed.pk])

    for model in (EmotionCurve, SaliencyMap, SoundPrint, Waveform):
        assert list(model._default_manager.values_list("song", flat=True)) == [other.pk]
    assert EmotionEstimate.objects.filter(song=changed).exists(), "it stays until the next analysis"
