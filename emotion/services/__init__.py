"""Everything that writes in the emotion app."""
