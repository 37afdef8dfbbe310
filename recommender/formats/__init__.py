"""Playlist files: M3U8, XSPF and JSPF out, M3U, PLS, XSPF and JSPF in; which songs their entries mean."""
