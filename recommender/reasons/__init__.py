"""Sentences: reasons, notes and insights."""
