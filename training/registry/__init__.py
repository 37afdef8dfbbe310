"""Import, gate, promotion and retraining of models."""
