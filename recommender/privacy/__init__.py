"""Personal data: inventory, export, deletion."""
