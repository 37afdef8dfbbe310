"""Playlist files: M3U8, XSPF and JSPF out, M3U and JSPF in; matching their entries with songs of the catalog."""
