"""How well the recommender knows real listeners: their ratings, the protocols, the baselines, a simulator."""
