"""Loudness, tempo, key and highlight of a song: arrays in, numbers out (an engine: no Django)."""
