"""Programs for whoever works on Moodplane; no app imports them."""
