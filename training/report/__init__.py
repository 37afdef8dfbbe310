"""What a run is worth, for people: the model card in Markdown, and a page with tables and plots. Pure."""

from training.report.card import card_page, headline_table, scores_table
from training.report.table import Table

__all__ = ["Table", "card_page", "headline_table", "scores_table"]
