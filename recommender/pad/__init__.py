"""Songs as the mood pad draws them."""
