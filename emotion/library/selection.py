"""Which songs of the library are looked at, and which of those somebody chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Exists, F, FloatField, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from catalog.models import UNKNOWN_ARTIST, Song
from catalog.selectors import PENDING_STATES, song_search
from emotion.inference.quadrants import Quadrant
from emotion.models import QuadrantOverride, quadrant_choices
from emotion.selectors import songs_in_quadrant, songs_in_quadrant_count, songs_with_estimates

# Below this the model itself would bet against its answer.
UNSURE_BELOW = 0.5
ON_THE_WAY = "pending"
STATES = [("tagged", _("Tagged")), (ON_THE_WAY, _("On the way")), ("failed", _("Failed"))]
MISSING = {
    "artist": Q(artist__name_key=UNKNOWN_ARTIST.casefold()),
    "album": Q(album=None),
    "genre": Q(genre=""),
    "year": Q(year=None),
    "cover": Q(cover=""),
}
MISSING_CHOICES = [
    ("any", _("Any of them")),
    ("artist", _("Artist")),
    ("album", _("Album")),
    ("genre", _("Genre")),
    ("year", _("Year")),
    ("cover", _("Cover")),
]
SURENESS = [("unsure", _("The model is not sure")), ("set", _("Set by a curator"))]
SORTS = {"title": ("title", "-pk"), "artist": ("artist__name_key", "title", "-pk"), "unsure": ("surest", "-pk")}
SORT_CHOICES = [
    ("", _("Newest first")),
    ("title", _("Title")),
    ("artist", _("Artist")),
    ("unsure", _("Least sure first")),
]
_SUREST = Greatest(*(F(f"estimates__p_q{n}") for n in (1, 2, 3, 4)), output_field=FloatField())


class LibraryForm(forms.Form):
    """What the library is limited to, and its order; a value that makes no sense limits nothing."""

    q = forms.CharField(required=False, max_length=200)
    state = forms.ChoiceField(choices=STATES, required=False)
    quadrant = forms.TypedChoiceField(choices=quadrant_choices, coerce=int, empty_value=None, required=False)
    genre = forms.CharField(required=False, max_length=100)
    missing = forms.ChoiceField(choices=MISSING_CHOICES, required=False)
    code = forms.CharField(required=False, max_length=40)
    sure = forms.ChoiceField(choices=SURENESS, required=False)
    sort = forms.ChoiceField(choices=SORT_CHOICES, required=False)

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked and makes sense."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}


@dataclass(frozen=True, slots=True)
class Selection:
    """What the library is limited to, and the songs chosen from it: some, or all that match."""

    asked: dict[str, Any]
    chosen: tuple[int, ...] = ()
    is_all: bool = False

    @classmethod
    def of(cls, query: QueryDict) -> Selection:
        """Read it from an address or a form."""
        numbers = (int(each) for each in query.getlist("song") if each.isascii() and each.isdigit())
        # A number that no column holds is no song's.
        chosen = tuple(dict.fromkeys(number for number in numbers if number < 2**63))
        return cls(LibraryForm(query).asked, chosen, query.get("all") == "1")

    @property
    def limits(self) -> dict[str, Any]:
        """What was asked but for the order, which limits nothing."""
        return {name: value for name, value in self.asked.items() if name != "sort"}

    def songs(self) -> QuerySet[Song]:
        """Return the songs that match, each with its current estimate."""
        return _matching(songs_with_estimates(), self.asked)

    def count(self) -> int:
        """Count the songs that match."""
        if "quadrant" in self.asked and "sure" not in self.asked:
            others = {name: value for name, value in self.limits.items() if name != "quadrant"}
            return songs_in_quadrant_count(_matching(Song.objects.all(), others), Quadrant(self.asked["quadrant"]))
        return self.songs().order_by().count()

    def song_ids(self) -> list[int]:
        """Return the songs that were chosen and still exist, in the order of their ids."""
        songs = _matching(Song.objects.all(), self.limits) if self.is_all else Song.objects.filter(pk__in=self.chosen)
        return list(songs.order_by("pk").values_list("pk", flat=True))

    def query(self) -> str:
        """Write it as the query of an address."""
        query = QueryDict(mutable=True)
        query.update({name: str(value) for name, value in self.asked.items()})
        if self.is_all:
            query["all"] = "1"
        else:
            query.setlist("song", [str(number) for number in self.chosen])
        return query.urlencode()


def _matching(songs: QuerySet[Song], asked: dict[str, Any]) -> QuerySet[Song]:
    if "q" in asked:
        songs = songs.filter(pk__in=song_search(query=asked["q"]).order_by().values("pk"))
    if state := asked.get("state"):
        songs = songs.filter(state__in=PENDING_STATES if state == ON_THE_WAY else [state])
    if "code" in asked:
        songs = songs.filter(failure_code=asked["code"].replace("\x00", ""))
    if "genre" in asked:
        songs = songs.filter(genre__iexact=asked["genre"].replace("\x00", ""))
    if missing := asked.get("missing"):
        one_of = Q()
        for name in MISSING if missing == "any" else [missing]:
            one_of |= MISSING[name]
        songs = songs.filter(one_of)
    return _by_estimate(songs, asked)


def _by_estimate(songs: QuerySet[Song], asked: dict[str, Any]) -> QuerySet[Song]:
    """Limit and order by what the current estimate says."""
    sure = asked.get("sure")
    if "quadrant" in asked:
        songs = songs_in_quadrant(songs, Quadrant(asked["quadrant"]))
    if sure is not None or asked.get("sort") == "unsure":
        songs = songs.filter(estimates__is_current=True).annotate(surest=_SUREST)
    if sure is not None:
        standing = QuadrantOverride.objects.filter(song=OuterRef("pk"), is_current=True, quadrant__isnull=False)
        songs = songs.filter(Exists(standing) if sure == "set" else ~Exists(standing))
    if sure == "unsure":
        songs = songs.filter(Q(surest__lt=UNSURE_BELOW))
    return songs.order_by(*SORTS.get(asked.get("sort", ""), ("-pk",)))


class SongPaginator(Paginator[Song]):
    """Cuts the ids of a selection into pages and reads the songs of one page: wide rows before it cost most of all."""

    def __init__(self, selection: Selection, per_page: int) -> None:
        super().__init__(selection.songs().values_list("pk", flat=True), per_page)  # type: ignore[arg-type]
        self._selection = selection

    @cached_property
    def count(self) -> int:
        return self._selection.count()

    def _get_page(self, object_list: Any, number: int, paginator: Paginator[Song]) -> Page[Song]:
        songs = songs_with_estimates().in_bulk(ids := list(object_list))
        return Page([songs[pk] for pk in ids if pk in songs], number, paginator)
