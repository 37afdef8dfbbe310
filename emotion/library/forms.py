"""Forms of the library: which songs it shows, which are selected, and what changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest
from django.http import QueryDict
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.exceptions import FileRejectedError
from catalog.files.tags import MAX_CREDIT_CHARS, MAX_GENRE_CHARS, MAX_TEXT_CHARS, text_clean
from catalog.models import UNKNOWN_ARTIST, Song
from catalog.selectors import PENDING_STATES, genre_texts, song_search
from catalog.songs import services as song_services
from catalog.songs.editing import values_clean, values_of
from emotion.inference.quadrants import Quadrant
from emotion.library.services import Override, library_seen
from emotion.models import QuadrantOverride, quadrant_choices
from emotion.selectors import songs_in_quadrant, songs_in_quadrant_count, songs_with_estimates

TEXTS = ("title", "artist", "album", "album_artist", "genre")
NUMBERS = ("year", "disc_number", "track_number")
# A song without an artist has the unknown one.
CLEARABLE = ("artist", "album", "album_artist", "genre", "year", "disc_number", "track_number", "cover")
NAMES = {
    "title": gettext_lazy("Title"),
    "artist": gettext_lazy("Artist"),
    "album": gettext_lazy("Album"),
    "album_artist": gettext_lazy("Album artist"),
    "genre": gettext_lazy("Genre"),
    "year": gettext_lazy("Year"),
    "disc_number": gettext_lazy("Disc number"),
    "track_number": gettext_lazy("Track number"),
    "cover": gettext_lazy("Cover"),
    "quadrant": gettext_lazy("Quadrant"),
    "songs": gettext_lazy("Songs"),
}
_HELP = {
    "artist": gettext_lazy("Several: a semicolon between them, or “feat.”."),
    "album_artist": gettext_lazy("Only where it is not the song’s first artist."),
    "genre": gettext_lazy("Several: a semicolon between them."),
}
KEEP, OWN = "keep", "own"


class CleanText(forms.CharField):
    """Text as clean as that of a file's tags."""

    def clean(self, value: Any) -> str:
        return text_clean(super().clean(value), self.max_length or MAX_TEXT_CHARS)


def _text(name: str, max_chars: int = MAX_TEXT_CHARS) -> CleanText:
    widget = forms.TextInput({"autocomplete": "off", "dir": "auto"})
    return CleanText(
        label=NAMES[name],
        required=False,
        max_length=max_chars,
        show_hidden_initial=True,
        widget=widget,
        help_text=_HELP.get(name, ""),
    )


def _number(name: str) -> forms.IntegerField:
    widget = forms.NumberInput({"autocomplete": "off", "inputmode": "numeric"})
    return forms.IntegerField(
        label=NAMES[name], required=False, min_value=1, max_value=9999, show_hidden_initial=True, widget=widget
    )


class SongsForm(forms.Form):
    """New values for songs: all tags of one; of several, only what is filled in or ticked to be cleared.

    A field that stays as the page showed it is not changed.
    """

    title = _text("title")
    artist = _text("artist", MAX_CREDIT_CHARS)
    album = _text("album")
    album_artist = _text("album_artist")
    genre = _text("genre", MAX_GENRE_CHARS)
    year = _number("year")
    disc_number = _number("disc_number")
    track_number = _number("track_number")
    cover = forms.FileField(label=NAMES["cover"], required=False, allow_empty_file=True)
    clear = forms.MultipleChoiceField(
        choices=[(name, NAMES[name]) for name in CLEARABLE], required=False, widget=forms.CheckboxSelectMultiple
    )
    quadrant = forms.ChoiceField(
        label=NAMES["quadrant"],
        choices=lambda: [(KEEP, _("Unchanged")), *quadrant_choices(), (OWN, _("The model's estimate"))],
        required=False,
        widget=forms.RadioSelect,
    )
    note = CleanText(label=gettext_lazy("Why"), required=False, max_length=MAX_TEXT_CHARS)
    seen = forms.JSONField(widget=forms.HiddenInput, required=False)

    def __init__(self, songs: Sequence[Song], data: Any = None, files: Any = None) -> None:
        self.songs = songs
        self.current = [values_of(song) for song in songs]
        self.mixed = {name for name in NAMES if name in self.current[0] and len(self._values(name)) > 1}
        shown = {name: self.current[0][name] for name in (*TEXTS, *NUMBERS) if name not in self.mixed}
        initial = shown | {"seen": library_seen(songs), "quadrant": KEEP}
        super().__init__(data, files, initial=initial, label_suffix="", use_required_attribute=False)
        if len(songs) > 1:
            # One title for many songs is nearly always a mistake.
            del self.fields["title"]
        for name in self.mixed & set(self.fields):
            self.fields[name].widget.attrs["placeholder"] = _("Multiple values")

    def _values(self, name: str) -> set[Any]:
        return {values[name] for values in self.current}

    @property
    def is_single(self) -> bool:
        return len(self.songs) == 1

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The fields of text and numbers for the page."""
        return [
            {
                "field": self[name],
                "can_clear": name in self.mixed and name in CLEARABLE,
                "cleared": name in (self["clear"].value() or []),
                "n_values": len(self._values(name)),
            }
            for name in (*TEXTS, *NUMBERS)
            if name in self.fields
        ]

    @property
    def covers(self) -> list[Song]:
        """One song for each different cover, at most four."""
        return list({str(song.cover.name or song.pk): song for song in reversed(self.songs)}.values())[:4]

    @property
    def has_cover(self) -> bool:
        return any(self._values("cover"))

    def clean_cover(self) -> bytes:
        """Return the picture's bytes; `values` stores it."""
        file: UploadedFile[Any] | None = self.cleaned_data["cover"]
        if file is None:
            return b""
        try:
            return song_services.cover_check(stream=cast(IO[bytes], file))
        except FileRejectedError as error:
            raise forms.ValidationError(str(error), code=error.code) from error

    def clean(self) -> dict[str, Any]:
        """Refuse an empty title, a field that is filled in and cleared, and a note without a quadrant."""
        cleaned: dict[str, Any] = super().clean() or {}
        if "title" in self.fields and "title" in cleaned and not cleaned["title"]:
            self.add_error("title", _("A song needs a title."))
        for name in cleaned.get("clear", []):
            if cleaned.get(name) and (name == "cover" or name in self.changed_data):
                self.add_error(name, _("Fill it in or clear it, not both."))
        new_artist = "album_artist" in self.changed_data and cleaned.get("album_artist")
        if new_artist and not cleaned.get("album") and (self.is_single or "album" in cleaned.get("clear", [])):
            self.add_error("album_artist", _("An album artist needs an album."))
        if cleaned.get("note") and cleaned.get("quadrant", KEEP) in (KEEP, ""):
            self.add_error("note", _("A note needs a quadrant: choose one."))
        return cleaned

    def values(self, *, is_preview: bool = False) -> dict[str, Any]:
        """Return the new values of the fields to change; except for a preview, this stores the picture."""
        values = {name: self.cleaned_data[name] for name in (*TEXTS, *NUMBERS) if name in self.changed_data}
        values |= {name: None if name in NUMBERS else "" for name in self.cleaned_data["clear"]}
        if picture := self.cleaned_data["cover"]:
            values["cover"] = "new" if is_preview else song_services.cover_store(data=picture)
        return values_clean(values)

    def override(self) -> Override | None:
        choice = self.cleaned_data["quadrant"]
        if choice in (KEEP, ""):
            return None
        return Override(None if choice == OWN else Quadrant(int(choice)), self.cleaned_data["note"])

    def seen_values(self) -> Mapping[str, str]:
        seen = self.cleaned_data["seen"]
        return seen if isinstance(seen, dict) else {}

    def conflict(self, fields: Sequence[str]) -> None:
        """Say which fields have changed meanwhile, and to what; saving again overwrites them."""
        data = cast(QueryDict, self.data).copy()
        data["seen"] = json.dumps(library_seen(self.songs))
        for name in fields:
            has_place = name in self.fields and name in (*TEXTS, *NUMBERS, "cover")
            self.add_error(name if has_place else None, self._changed_words(name))
            if has_place and name != "cover" and name not in self.mixed:
                data[f"initial-{name}"] = self.current[0][name] or ""
        self.data = data

    def _changed_words(self, name: str) -> str:
        if name == "songs":
            return ngettext(
                "The matching songs have changed in the meantime: there is %(n)d now. Check it, then save again.",
                "The matching songs have changed in the meantime: there are %(n)d now. Check them, then save again.",
                len(self.songs),
            ) % {"n": len(self.songs)}
        if name in (*TEXTS, *NUMBERS) and name not in self.mixed:
            now = self.current[0][name]
            return _(
                "Someone else has changed this in the meantime. It is now “%(now)s”. Save again to "
                "replace it with yours."
            ) % {"now": now if now not in ("", None) else "–"}
        return _("%(field)s: someone else has changed it in the meantime. Check it, then save again.") % {
            "field": NAMES[name]
        }


class OverrideForm(forms.Form):
    """A curator's quadrant of one song, or that the model's counts again."""

    quadrant = forms.TypedChoiceField(
        choices=lambda: [*quadrant_choices(), (OWN, _("The model's estimate"))],
        coerce=lambda choice: None if choice == OWN else Quadrant(int(choice)),
        empty_value="",
    )
    note = CleanText(required=False, max_length=MAX_TEXT_CHARS)

    def override(self) -> Override:
        return Override(self.cleaned_data["quadrant"], self.cleaned_data["note"])


STATES = {
    "tagged": gettext_lazy("Analysed"),
    "pending": gettext_lazy("In progress"),
    "failed": gettext_lazy("Failed"),
}
MISSING = {
    "artist": Q(artist__name_key=UNKNOWN_ARTIST.casefold()),
    "album": Q(album=None),
    "genre": Q(genre=""),
    "year": Q(year=None),
    "cover": Q(cover=""),
}
SURENESS = {"unsure": gettext_lazy("The model is unsure"), "set": gettext_lazy("Set by a curator")}
SORTS = {
    "": (gettext_lazy("Recently added"), ("-pk",)),
    "title": (NAMES["title"], ("title", "-pk")),
    "artist": (NAMES["artist"], ("artist__name_key", "title", "-pk")),
    "unsure": (gettext_lazy("Least certain first"), ("surest", "-pk")),
}
_SUREST = Greatest("estimates__p_q1", "estimates__p_q2", "estimates__p_q3", "estimates__p_q4")


class LibraryForm(forms.Form):
    """Limits and order of the library; an invalid value limits nothing."""

    q = forms.CharField(required=False, max_length=200)
    state = forms.ChoiceField(choices=STATES, required=False)
    quadrant = forms.TypedChoiceField(choices=quadrant_choices, coerce=int, empty_value=None, required=False)
    genre = forms.CharField(required=False, max_length=100)
    missing = forms.ChoiceField(
        choices={"any": gettext_lazy("Any of these")} | {name: NAMES[name] for name in MISSING}, required=False
    )
    code = forms.CharField(required=False, max_length=40)
    sure = forms.ChoiceField(choices=SURENESS, required=False)
    sort = forms.ChoiceField(choices={name: label for name, (label, _order) in SORTS.items()}, required=False)

    @property
    def filters(self) -> dict[str, Any]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}


@dataclass(frozen=True, slots=True)
class Selection:
    """The limits of the library, and the songs chosen from it: some, or all that match."""

    filters: dict[str, Any]
    chosen: tuple[int, ...] = ()
    is_all: bool = False

    @classmethod
    def of(cls, query: QueryDict) -> Selection:
        numbers = (int(each) for each in query.getlist("song") if each.isascii() and each.isdigit())
        # A number that no column holds is no song's.
        chosen = tuple(dict.fromkeys(number for number in numbers if number < 2**63))
        return cls(LibraryForm(query).filters, chosen, query.get("all") == "1")

    @property
    def limits(self) -> dict[str, Any]:
        return {name: value for name, value in self.filters.items() if name != "sort"}

    def songs(self) -> QuerySet[Song]:
        return _matching(songs_with_estimates(), self.filters)

    def count(self) -> int:
        if "quadrant" in self.filters and "sure" not in self.filters:
            others = {name: value for name, value in self.limits.items() if name != "quadrant"}
            return songs_in_quadrant_count(_matching(Song.objects.all(), others), Quadrant(self.filters["quadrant"]))
        return self.songs().order_by().count()

    def song_ids(self) -> list[int]:
        """Return the selected songs that still exist, in the order of their ids."""
        songs = _matching(Song.objects.all(), self.limits) if self.is_all else Song.objects.filter(pk__in=self.chosen)
        return list(songs.order_by("pk").values_list("pk", flat=True))

    def library_url(self) -> str:
        """Return the address of the library with these limits."""
        return f"{reverse('emotion:library')}?{Selection(self.filters).query()}"

    def query(self) -> str:
        query = QueryDict(mutable=True)
        query.update({name: str(value) for name, value in self.filters.items()})
        if self.is_all:
            query["all"] = "1"
        else:
            query.setlist("song", [str(number) for number in self.chosen])
        return query.urlencode()


def _matching(songs: QuerySet[Song], filters: dict[str, Any]) -> QuerySet[Song]:
    if "q" in filters:
        songs = songs.filter(pk__in=song_search(query=filters["q"]).order_by().values("pk"))
    if state := filters.get("state"):
        songs = songs.filter(state__in=PENDING_STATES if state == "pending" else [state])
    if "code" in filters:
        songs = songs.filter(failure_code=filters["code"].replace("\x00", ""))
    if "genre" in filters:
        songs = songs.filter(genre__in=genre_texts(filters["genre"]))
    if missing := filters.get("missing"):
        one_of = Q()
        for name in MISSING if missing == "any" else [missing]:
            one_of |= MISSING[name]
        songs = songs.filter(one_of)
    return _by_estimate(songs, filters).order_by(*SORTS[filters.get("sort", "")][1])


def _by_estimate(songs: QuerySet[Song], filters: dict[str, Any]) -> QuerySet[Song]:
    sure = filters.get("sure")
    if "quadrant" in filters:
        songs = songs_in_quadrant(songs, Quadrant(filters["quadrant"]))
    if sure is not None or filters.get("sort") == "unsure":
        songs = songs.filter(estimates__is_current=True).annotate(surest=_SUREST)
    if sure is not None:
        standing = QuadrantOverride.objects.filter(song=OuterRef("pk"), is_current=True, quadrant__isnull=False)
        songs = songs.filter(Exists(standing) if sure == "set" else ~Exists(standing))
    if sure == "unsure":
        # Below this the model itself would bet against its answer.
        songs = songs.filter(Q(surest__lt=0.5))
    return songs


class SongPaginator(Paginator[Song]):
    """Pages the ids of a selection and reads the songs of one page alone: wide rows of all cost most of the time."""

    def __init__(self, selection: Selection, per_page: int) -> None:
        super().__init__(selection.songs().values_list("pk", flat=True), per_page)  # type: ignore[arg-type]
        self._selection = selection

    @cached_property
    def count(self) -> int:
        return self._selection.count()

    def _get_page(self, object_list: Any, number: int, paginator: Paginator[Song]) -> Page[Song]:
        songs = songs_with_estimates().in_bulk(ids := list(object_list))
        return Page([songs[pk] for pk in ids if pk in songs], number, paginator)
