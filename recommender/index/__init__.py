"""The index of songs, searched by predicted feeling or by similar sound; published atomically."""
