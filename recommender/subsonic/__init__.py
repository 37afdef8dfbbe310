"""OpenSubsonic: the protocol by which players of other makers reach the library, its moods and its lists."""
