"""What goes into a playlist file, and what comes out of one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.core.wording import gettext as _

# Names what only we put into a file; other players pass over it.
EXTENSION = "urn:moodplane:playlist:1"
# No name and no address is longer; what reads them need not be quick on more.
MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Track:
    """A song as it is written: absolute addresses of its audio and its page, and what is heard in it.

    `valence` and `arousal` in [-1, 1] and `quadrant` such as "Q4" are what the model hears; None before it heard it.
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
        """Return what only we write, without what is not known."""
        known: dict[str, object] = {"reason": self.reason} if self.reason else {}
        if self.valence is not None and self.arousal is not None:
            known |= {"valence": round(self.valence, 4), "arousal": round(self.arousal, 4), "quadrant": self.quadrant}
        return known


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A song as a file names it; what the file does not say is empty or None."""

    location: str = ""
    page: str = ""
    title: str = ""
    artist: str = ""
    # As M3U has it: artist and title in one, in an order that is only a habit.
    label: str = ""
    duration_s: float | None = None

    @property
    def words(self) -> str:
        """The entry as a person would name it."""
        if self.artist and self.title:
            return f"{self.artist} – {self.title}"
        return self.title or self.label or self.location or self.page or _("an entry without a name")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A playlist as a file holds it."""

    title: str
    entries: tuple[FileEntry, ...]


def clean(text: str) -> str:
    """Return text on one line, not too long, without what a database cannot hold: NUL, and halves of characters."""
    return " ".join(text[:MAX_TEXT].replace("\x00", "").encode("utf-8", "replace").decode("utf-8").split())
