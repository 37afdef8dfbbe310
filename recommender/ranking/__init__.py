"""Ranking: which song goes where in a list or on a journey."""
