"""What a run is worth, for people: the model card in Markdown, and a page with tables and plots. Pure."""
