"""Retrieval: from rows and the index to the songs that a list may choose from."""
