"""Playlist files: M3U8, XSPF and JSPF out, M3U and JSPF in, and which song of a catalog an entry means. Pure."""
