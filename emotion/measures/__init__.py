"""What is measured of a song without a model: an engine, arrays in, numbers out."""

# Of the way in which loudness, tempo and key are measured. Songs of a lower one are measured again, in the background.
VERSION = 1
