"""The first of the system's two signals (the other is `emotion.signals.song_analysed`)."""

from django.dispatch import Signal

# Sent after commit with `song_ids: list[int]` when songs are ready to be analysed. Receivers only enqueue.
song_uploaded = Signal()
