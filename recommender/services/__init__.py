"""Everything that writes in the recommender."""
