"""Playlists for a mood, for each listener."""
