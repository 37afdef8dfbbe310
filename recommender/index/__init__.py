"""The index of songs: found by what somebody will feel, or by what they sound like; published atomically. Pure."""
