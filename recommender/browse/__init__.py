"""Browsing the library: albums, artists, genres, decades, folders, and what a listener played and likes."""
