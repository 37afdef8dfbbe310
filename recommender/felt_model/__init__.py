"""What a listener feels, learned from what they said: the ladder from everybody's mean to one person. Pure."""
