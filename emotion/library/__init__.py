"""The curators' library: songs in a table, changed one at a time or many at once, and the history of it."""
