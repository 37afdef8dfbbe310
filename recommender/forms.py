"""Forms of the recommender's pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import QueryDict
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.core.charts import Point
from catalog.models import Artist
from catalog.selectors import artist_named
from emotion.inference.quadrants import Quadrant
from emotion.measures.words import KEYS
from emotion.models import quadrant_choices
from recommender.formats.files import MAX_BYTES
from recommender.ranking.journeys import PRESETS
from recommender.requests import MAX_LENGTH, MAX_TITLE, Filters, Target
from recommender.rules import MEASURED, PLAY_SORTS, RULES
from recommender.selectors import RATING_ANSWERS, SORTS

LENGTHS = (6, 12, 24, 48)
DECADES = tuple(range(1950, 2030, 10))
MAX_SEED = 2**63 - 1
MAX_BPM = 400


class SentenceForm(forms.Form):
    """A form whose errors make one sentence, for pages without room next to the fields."""

    @property
    def sentence(self) -> str:
        """All errors, each with its field's name."""
        return " ".join(
            f"{error}" if name == NON_FIELD_ERRORS else f"{self[name].label}: {error}"
            for name, errors in self.errors.items()
            for error in errors
        )


class AxisField(forms.FloatField):
    """A coordinate on the plane, in [-1, 1]."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, min_value=-1.0, max_value=1.0, **kwargs)


class QuadrantField(forms.TypedChoiceField):
    """A quadrant by its number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=quadrant_choices(), coerce=self._coerced, required=False, empty_value=None, **kwargs)

    @staticmethod
    def _coerced(number: str) -> Quadrant:
        return Quadrant(int(number))


class LimitsForm(SentenceForm):
    """Length, filters, variety and seed of a list."""

    length = forms.IntegerField(required=False, min_value=1, max_value=MAX_LENGTH, label=gettext_lazy("Length"))
    genre = forms.CharField(required=False, max_length=100, label=gettext_lazy("Genre"))
    artist = forms.IntegerField(required=False, min_value=1, label=gettext_lazy("Artist"))
    artist_name = forms.CharField(required=False, max_length=300, label=gettext_lazy("Artist"))
    decade = forms.IntegerField(
        required=False, min_value=1000, max_value=2990, step_size=10, label=gettext_lazy("Decade")
    )
    variety = forms.FloatField(required=False, min_value=0.0, max_value=1.0, label=gettext_lazy("Variety"))
    seed = forms.IntegerField(required=False, min_value=0, max_value=MAX_SEED)

    def clean_artist_name(self) -> Artist | None:
        """Find the artist by name; people type names, only programs know numbers."""
        name = self.cleaned_data["artist_name"]
        artist = artist_named(name) if name else None
        if name and artist is None:
            raise ValidationError(_("No artist in this catalog is called “%(name)s”."), params={"name": name})
        return artist

    @property
    def limits(self) -> dict[str, Any]:
        """The cleaned values as the services take them."""
        cleaned = self.cleaned_data
        artist_id = cleaned["artist_name"].pk if cleaned["artist_name"] else cleaned["artist"]
        filters = Filters(genre=cleaned["genre"], artist_id=artist_id, decade=cleaned["decade"])
        given = {name: cleaned[name] for name in ("length", "variety", "seed") if cleaned[name] is not None}
        return {"filters": filters, **given}


class PlaylistForm(LimitsForm):
    """A target, named or free. A named quadrant wins over the point."""

    quadrant = QuadrantField(label=gettext_lazy("Quadrant"))
    valence = AxisField(label=gettext_lazy("Valence"))
    arousal = AxisField(label=gettext_lazy("Arousal"))

    def clean(self) -> dict[str, Any]:
        """Ask for a quadrant or both coordinates."""
        cleaned = self.cleaned_data
        point = (cleaned.get("valence"), cleaned.get("arousal"))
        if not self.errors and cleaned.get("quadrant") is None and None in point:
            raise ValidationError(_("Choose a quadrant, or a point with valence and arousal between -1 and 1."))
        return cleaned

    @property
    def target(self) -> Target:
        """Where the listener wants to be."""
        if self.cleaned_data["quadrant"] is not None:
            return Target.of_quadrant(self.cleaned_data["quadrant"])
        return Target.of_point(self.cleaned_data["valence"], self.cleaned_data["arousal"])


# The names of a journey's way-points in a form, in the order in which they are passed.
WAY_POINTS = ("via", "via2", "via3")


class JourneyForm(LimitsForm):
    """A start and an end, or a preset that knows the end, and up to three way-points that count when ticked."""

    start_valence = AxisField(label=gettext_lazy("Start valence"))
    start_arousal = AxisField(label=gettext_lazy("Start arousal"))
    end_valence = AxisField(label=gettext_lazy("End valence"))
    end_arousal = AxisField(label=gettext_lazy("End arousal"))
    preset = forms.ChoiceField(choices=[(key, key) for key in PRESETS], required=False)
    via = forms.BooleanField(required=False)
    via_valence = AxisField()
    via_arousal = AxisField()
    via2 = forms.BooleanField(required=False)
    via2_valence = AxisField()
    via2_arousal = AxisField()
    via3 = forms.BooleanField(required=False)
    via3_valence = AxisField()
    via3_arousal = AxisField()

    def clean(self) -> dict[str, Any]:
        """Ask for whole points."""
        cleaned = self.cleaned_data
        if self.errors:
            return cleaned
        if self._point("start") is None:
            raise ValidationError(_("Set where you are: valence and arousal, each between -1 and 1."))
        if not cleaned["preset"] and self._point("end") is None:
            raise ValidationError(_("Set where you want to be, or choose one of the presets."))
        if any(cleaned[name] and self._point(name) is None for name in WAY_POINTS):
            raise ValidationError(_("The waypoint needs valence and arousal, each between -1 and 1."))
        return cleaned

    @property
    def path(self) -> tuple[Point, ...]:
        """From start to end."""
        start = self._point("start")
        assert start is not None, "a valid form has a start"
        passed = [self._point(name) for name in WAY_POINTS if self.cleaned_data[name]]
        preset = PRESETS.get(self.cleaned_data["preset"])
        end = preset.path(start)[-1] if preset else self._point("end")
        return tuple(point for point in (start, *passed, end) if point is not None)

    @property
    def limits(self) -> dict[str, Any]:
        """The cleaned values; a preset may set the variety."""
        preset = PRESETS.get(self.cleaned_data["preset"])
        varied = {} if preset is None or preset.variety is None else {"variety": preset.variety}
        return super().limits | varied

    def _point(self, name: str) -> Point | None:
        valence, arousal = self.cleaned_data.get(f"{name}_valence"), self.cleaned_data.get(f"{name}_arousal")
        return None if valence is None or arousal is None else (valence, arousal)


class MoodForm(SentenceForm):
    """A mood check-in."""

    valence = forms.FloatField(min_value=-1.0, max_value=1.0, label=gettext_lazy("Valence"))
    arousal = forms.FloatField(min_value=-1.0, max_value=1.0, label=gettext_lazy("Arousal"))


class TitleForm(SentenceForm):
    """A list's title."""

    title = forms.CharField(max_length=MAX_TITLE, label=gettext_lazy("Title"))


class DescribeForm(TitleForm):
    """A list's title and what its listener says of it."""

    description = forms.CharField(required=False, max_length=2000, label=gettext_lazy("Description"))


class AddForm(SentenceForm):
    """The list that songs go to: one of the listener's, or a new one."""

    playlist = forms.IntegerField(required=False, min_value=1, label=gettext_lazy("Playlist"))
    title = forms.CharField(required=False, max_length=MAX_TITLE, label=gettext_lazy("Title"))


class MoveForm(SentenceForm):
    """Where a song is to go: up or down by one, or to a place."""

    by = forms.TypedChoiceField(
        choices=[("-1", gettext_lazy("Up")), ("1", gettext_lazy("Down"))], coerce=int, required=False, empty_value=None
    )
    to = forms.IntegerField(required=False, min_value=1)

    def clean(self) -> dict[str, Any]:
        """Ask for one of the two."""
        cleaned = self.cleaned_data
        if not self.errors and cleaned.get("by") is None and cleaned.get("to") is None:
            raise ValidationError(_("Choose where to move the song."))
        return cleaned


class ImportForm(SentenceForm):
    """A playlist file."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        error_messages={
            "required": gettext_lazy("Choose a playlist file."),
            "empty": gettext_lazy("The file is empty."),
        },
    )

    def clean_file(self) -> Any:
        """Refuse a file that is too large before it is read."""
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise ValidationError(
                _("A playlist file has at most %(most)d MB."), params={"most": MAX_BYTES // 1_000_000}
            )
        return file


class SongFilterForm(forms.Form):
    """The query string of a song list; invalid fields are ignored, so that an old link still shows songs.

    A smart list stores it as it is: fields keep their names.
    """

    q = forms.CharField(required=False, max_length=200)
    quadrant = QuadrantField()
    genre = forms.CharField(required=False, max_length=100)
    decade = forms.IntegerField(required=False, min_value=1000, max_value=2990, step_size=10)
    artist = forms.IntegerField(required=False, min_value=1)
    album = forms.IntegerField(required=False, min_value=1)
    sort = forms.ChoiceField(choices=[(key, key) for key in (*SORTS, *PLAY_SORTS)], required=False)

    liked = forms.BooleanField(required=False, label=gettext_lazy("Liked by me"))
    felt = QuadrantField(label=gettext_lazy("I felt"))
    valence_from = AxisField(label=gettext_lazy("Valence from"))
    valence_to = AxisField(label=gettext_lazy("Valence to"))
    arousal_from = AxisField(label=gettext_lazy("Arousal from"))
    arousal_to = AxisField(label=gettext_lazy("Arousal to"))
    sure_from = forms.IntegerField(
        required=False, min_value=1, max_value=99, label=gettext_lazy("Model at least, % sure")
    )
    plays_from = forms.IntegerField(required=False, min_value=1, max_value=9999, label=gettext_lazy("Plays from"))
    plays_to = forms.IntegerField(required=False, min_value=0, max_value=9999, label=gettext_lazy("Plays to"))
    unplayed_days = forms.IntegerField(
        required=False, min_value=1, max_value=9999, label=gettext_lazy("Not played for days")
    )
    added_days = forms.IntegerField(
        required=False, min_value=1, max_value=9999, label=gettext_lazy("Added within days")
    )
    year_from = forms.IntegerField(required=False, min_value=1, max_value=2999, label=gettext_lazy("Year from"))
    year_to = forms.IntegerField(required=False, min_value=1, max_value=2999, label=gettext_lazy("Year to"))
    minutes_from = forms.FloatField(required=False, min_value=0.0, max_value=1440.0, label=gettext_lazy("Minutes from"))
    minutes_to = forms.FloatField(required=False, min_value=0.0, max_value=1440.0, label=gettext_lazy("Minutes to"))
    bpm_from = forms.IntegerField(required=False, min_value=1, max_value=MAX_BPM, label=gettext_lazy("BPM from"))
    bpm_to = forms.IntegerField(required=False, min_value=1, max_value=MAX_BPM, label=gettext_lazy("BPM to"))
    key = forms.IntegerField(required=False, min_value=0, max_value=len(KEYS) - 1)

    @property
    def filters(self) -> dict[str, Any]:
        """The valid part of the query, as `songs_browse` takes it."""
        self.is_valid()
        names = {"q": "query", "artist": "artist_id", "album": "album_id"}
        filters = {names.get(name, name): value for name, value in self.cleaned_data.items() if _is_set(value)}
        for name in ("minutes_from", "minutes_to"):
            if name in filters:
                filters[name] *= 60.0
        if "sure_from" in filters:
            filters["sure_from"] /= 100.0
        return filters

    @property
    def rule_fields(self) -> list[forms.BoundField]:
        """The rules that are numbers."""
        return [self[name] for name in self.fields if name in RULES and name not in ("liked", "felt", *MEASURED)]

    def rule_words(self, name: str) -> str:
        """Return a rule in words, such as "Year from 1990"."""
        value = self.cleaned_data[name]
        label = str(self.fields[name].label)
        return label if value is True else f"{label} {getattr(value, 'label', value)}"

    @property
    def query(self) -> str:
        """The valid part of the query as it came, to be stored or linked to."""
        self.is_valid()
        named = [(name, self.data[name]) for name, value in self.cleaned_data.items() if _is_set(value)]
        return urlencode(named)


class SmartListForm(TitleForm):
    """A smart list: its title and its rules, as the address of a song list has them."""

    rules = forms.CharField(max_length=2000, label=gettext_lazy("Rules"))

    def clean_rules(self) -> str:
        """Keep the valid rules.

        Raises:
            ValidationError: there is none.
        """
        kept = SongFilterForm(QueryDict(self.cleaned_data["rules"])).query
        if not kept:
            raise ValidationError(_("A smart list needs at least one rule."))
        return kept


def _is_set(value: Any) -> bool:
    # A limit of 0 is one.
    return value is not None and value is not False and value != ""


class PlayedForm(SentenceForm):
    """The playlist in which a song played, if any."""

    playlist = forms.IntegerField(required=False, min_value=1)


class MoreForm(PlayedForm):
    """A list that has ended: the song to go on from, and the numbers of the songs before, with commas between."""

    around = forms.IntegerField(required=False, min_value=1)
    heard = forms.RegexField(r"^\d{1,18}(,\d{1,18}){0,99}$", required=False)

    def clean_heard(self) -> list[int]:
        return [int(number) for number in self.cleaned_data["heard"].split(",") if number]


class EndedForm(PlayedForm):
    """How long a song played before it ended or was skipped."""

    listened_s = forms.FloatField(min_value=0.0, max_value=86_400.0)


class WithdrawForm(PlayedForm):
    """A rating to withdraw, or only some of its answers."""

    only = forms.MultipleChoiceField(choices=[(name, name) for name in RATING_ANSWERS], required=False)


class YesNoField(forms.TypedChoiceField):
    """A question that may stay without an answer."""

    def __init__(self, yes: Any, no: Any) -> None:
        super().__init__(
            choices=[("yes", yes), ("no", no)], coerce=lambda word: word == "yes", required=False, empty_value=None
        )


class FeltForm(PlayedForm):
    """A rating. A slider counts only when `felt` says that it was touched."""

    felt = forms.MultipleChoiceField(choices=[("valence", "valence"), ("arousal", "arousal")], required=False)
    felt_valence = AxisField(label=gettext_lazy("Felt valence"))
    felt_arousal = AxisField(label=gettext_lazy("Felt arousal"))
    liked = YesNoField(gettext_lazy("Liked it"), gettext_lazy("Not for me"))
    familiar = YesNoField(gettext_lazy("Knew it already"), gettext_lazy("New to me"))
    felt_nothing = forms.BooleanField(required=False)
    mood_valence = AxisField(label=gettext_lazy("Mood valence"))
    mood_arousal = AxisField(label=gettext_lazy("Mood arousal"))

    def clean(self) -> dict[str, Any]:
        """Drop the coordinates of untouched sliders, and refuse a rating that says nothing."""
        cleaned = self.cleaned_data
        for axis in ("valence", "arousal"):
            if axis not in cleaned.get("felt", ()) or cleaned.get("felt_nothing"):
                cleaned[f"felt_{axis}"] = None
        answers = {cleaned.get(name) for name in ("felt_valence", "felt_arousal", "liked", "familiar")}
        if not self.errors and answers == {None} and not cleaned["felt_nothing"]:
            raise ValidationError(_("There is no answer yet: move a slider, or choose one of the answers."))
        return cleaned

    @property
    def answers(self) -> dict[str, Any]:
        """The answers as `feedback_record` takes them."""
        names = ("felt_valence", "felt_arousal", "liked", "familiar", "felt_nothing")
        mood = (self.cleaned_data["mood_valence"], self.cleaned_data["mood_arousal"])
        return {name: self.cleaned_data[name] for name in names} | {"mood": None if None in mood else mood}
