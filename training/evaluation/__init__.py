"""Scores, comparisons and reports of trained models."""
