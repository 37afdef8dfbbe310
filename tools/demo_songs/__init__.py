"""The built-in demo music: thirty-six pieces that the project composes, plays, mixes and encodes itself. Pure."""

from tools.demo_songs.render import render_pieces

__all__ = ["render_pieces"]
