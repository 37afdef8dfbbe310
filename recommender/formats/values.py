"""The contents of playlist files."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.core.wording import gettext as _

# Names the fields that only this project writes; other players skip them.
EXTENSION = "urn:moodplane:playlist:1"
# No name and no address is longer; reading need not be fast on more.
MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Track:
    """A song to be written: absolute addresses of its audio and its page, and its estimate.

    `valence` and `arousal` in [-1, 1] and `quadrant` such as "Q4" are the model's; None before the analysis.
    """

    location: str
    page: str
    title: str
    artist: str
    duration_s: float
    reason: str
    album: str = ""
    valence: float | None = None
    arousal: float | None = None
    quadrant: str = ""

    def extension(self) -> dict[str, object]:
        """Return the known fields that only this project writes."""
        known: dict[str, object] = {"reason": self.reason} if self.reason else {}
        if self.valence is not None and self.arousal is not None:
            known |= {"valence": round(self.valence, 4), "arousal": round(self.arousal, 4), "quadrant": self.quadrant}
        return known


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A song as a file names it; a missing field is empty or None."""

    location: str = ""
    page: str = ""
    title: str = ""
    artist: str = ""
    # As M3U has it: artist and title in one, in an order that is only a habit.
    label: str = ""
    duration_s: float | None = None

    @property
    def words(self) -> str:
        """The entry's name for people."""
        if self.artist and self.title:
            return f"{self.artist} – {self.title}"
        return self.title or self.label or self.location or self.page or _("an entry without a name")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A playlist as a file holds it."""

    title: str
    entries: tuple[FileEntry, ...]


def clean(text: str) -> str:
    """Return text on one line, cut to `MAX_TEXT`, without what a database cannot store: NUL and lone surrogates."""
    return " ".join(text[:MAX_TEXT].replace("\x00", "").encode("utf-8", "replace").decode("utf-8").split())
