"""The last of the system's three signals (the others are in `catalog.signals`)."""

from django.dispatch import Signal

# Sent after commit with `song_ids: list[int]` when estimates were stored. Receivers only enqueue.
song_analysed = Signal()
