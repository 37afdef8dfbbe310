"""Training, evaluation and promotion of models."""
