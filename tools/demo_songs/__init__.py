"""The composer of the demo songs: writes, plays, mixes and encodes thirty-six pieces."""
