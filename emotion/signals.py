"""The second of the system's two signals (the first is `catalog.signals.song_uploaded`)."""

from django.dispatch import Signal

# Sent after commit with `song_ids: list[int]` when estimates were stored. Receivers only enqueue.
song_analysed = Signal()
