"""The listener's model: what songs make them feel, learned from ratings, between everybody's mean and their own."""
