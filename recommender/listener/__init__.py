"""The listener: history of ratings and listens, fitted model, predictions."""
