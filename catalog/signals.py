"""Two of the system's three signals (the other is `emotion.signals.song_analysed`)."""

from django.dispatch import Signal

# Sent after commit with `song_ids: list[int]` when songs are ready to be analysed. Receivers only enqueue.
song_uploaded = Signal()
# Sent before commit with `song_ids: list[int]` when songs got other sound. Receivers delete what was made of the old.
song_replaced = Signal()
