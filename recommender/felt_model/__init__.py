"""The listener's model: what songs make them feel, between the mean of all listeners and their own ratings."""
