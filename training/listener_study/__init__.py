"""How well the recommender predicts real listeners: their ratings, the protocol, baselines and a simulation."""
