"""How the recommender looks in the API."""
