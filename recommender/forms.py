"""What pages may ask of the recommender, checked at the door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS

from emotion.quadrants import Quadrant
from recommender.exchange.formats import MAX_BYTES
from recommender.journey import PRESETS
from recommender.models import DEFAULT_VARIETY
from recommender.services.wishes import MAX_LENGTH, MAX_TITLE
from recommender.values import Filters, Point, Target

LENGTHS = (6, 12, 24, 48)
DEFAULT_LENGTH = 12
DECADES = tuple(range(1950, 2030, 10))
MAX_SEED = 2**63 - 1
_QUADRANTS = [(q.value, q.label) for q in Quadrant]


@dataclass(frozen=True, slots=True)
class SongFilters:
    """What the search page is limited to."""

    q: str = ""
    quadrant: Quadrant | None = None
    genre: str = ""
    artist_id: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether anything was asked."""
        return bool(self.q or self.quadrant or self.genre or self.artist_id)


class SentenceForm(forms.Form):
    """A form whose errors are told in one breath, because the page has no place beside the fields."""

    @property
    def sentence(self) -> str:
        """Everything that is wrong, each field named."""
        told = []
        for name, errors in self.errors.items():
            label = "" if name == NON_FIELD_ERRORS else f"{name.replace('_', ' ').capitalize()}: "
            told += [f"{label}{error}" for error in errors]
        return " ".join(told)


class AxisField(forms.FloatField):
    """A coordinate on the plane, in [-1, 1]."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, min_value=-1.0, max_value=1.0, **kwargs)


class LimitsForm(SentenceForm):
    """How long a list is to be, what it is limited to, and how far it may roam."""

    length = forms.IntegerField(required=False, min_value=1, max_value=MAX_LENGTH)
    genre = forms.CharField(required=False, max_length=100)
    artist = forms.IntegerField(required=False, min_value=1)
    decade = forms.IntegerField(required=False, min_value=1000, max_value=2990, step_size=10)
    variety = forms.FloatField(required=False, min_value=0.0, max_value=1.0)
    seed = forms.IntegerField(required=False, min_value=0, max_value=MAX_SEED)

    @property
    def limits(self) -> dict[str, Any]:
        """What was asked, as the services take it."""
        asked = self.cleaned_data
        return {
            "length": int(asked["length"] or DEFAULT_LENGTH),
            "filters": Filters(genre=asked["genre"], artist_id=asked["artist"], decade=asked["decade"]),
            "variety": DEFAULT_VARIETY if asked["variety"] is None else asked["variety"],
            "seed": asked["seed"],
        }


class PlaylistForm(LimitsForm):
    """A target, named or free. A named quadrant wins over the point."""

    quadrant = forms.TypedChoiceField(choices=_QUADRANTS, coerce=int, required=False, empty_value=None)
    valence = AxisField()
    arousal = AxisField()

    def clean(self) -> dict[str, Any]:
        """Ask for a quadrant or both coordinates."""
        cleaned = self.cleaned_data
        point = (cleaned.get("valence"), cleaned.get("arousal"))
        if not self.errors and cleaned.get("quadrant") is None and None in point:
            raise forms.ValidationError("Choose a quadrant, or a point with valence and arousal between -1 and 1.")
        return cleaned

    @property
    def target(self) -> Target:
        """Where the listener wants to be."""
        if self.cleaned_data["quadrant"] is not None:
            return Target.of_quadrant(Quadrant(self.cleaned_data["quadrant"]))
        return Target.of_point(self.cleaned_data["valence"], self.cleaned_data["arousal"])


class JourneyForm(LimitsForm):
    """A start and an end, or a preset that knows the end, and a way-point or two that count when they are ticked."""

    start_valence = AxisField()
    start_arousal = AxisField()
    end_valence = AxisField()
    end_arousal = AxisField()
    preset = forms.ChoiceField(choices=[(key, preset.name) for key, preset in PRESETS.items()], required=False)
    via = forms.BooleanField(required=False)
    via_valence = AxisField()
    via_arousal = AxisField()

    def clean(self) -> dict[str, Any]:
        """Ask for whole points."""
        cleaned = self.cleaned_data
        if self.errors:
            return cleaned
        if self._point("start") is None:
            raise forms.ValidationError("Say where you are: valence and arousal, each between -1 and 1.")
        if not cleaned["preset"] and self._point("end") is None:
            raise forms.ValidationError("Say where you want to be, or choose one of the ways that are named.")
        if cleaned["via"] and self._point("via") is None:
            raise forms.ValidationError("The way-point needs valence and arousal, each between -1 and 1.")
        return cleaned

    @property
    def path(self) -> tuple[Point, ...]:
        """From start to end."""
        start, end = self._point("start"), self._point("end")
        via = self._point("via") if self.cleaned_data["via"] else None
        assert start is not None, "a valid form has a start"
        preset = PRESETS.get(self.cleaned_data["preset"])
        if preset is not None:
            end = preset.path(start)[-1]
        return tuple(point for point in (start, via, end) if point is not None)

    @property
    def limits(self) -> dict[str, Any]:
        """What was asked; a preset may say how far its list roams."""
        limits = super().limits
        preset = PRESETS.get(self.cleaned_data["preset"])
        if preset is not None and preset.variety is not None:
            limits["variety"] = preset.variety
        return limits

    def _point(self, name: str) -> Point | None:
        valence, arousal = self.cleaned_data.get(f"{name}_valence"), self.cleaned_data.get(f"{name}_arousal")
        return None if valence is None or arousal is None else (valence, arousal)


class MoodForm(SentenceForm):
    """How somebody is now."""

    valence = forms.FloatField(min_value=-1.0, max_value=1.0)
    arousal = forms.FloatField(min_value=-1.0, max_value=1.0)


class TitleForm(SentenceForm):
    """What a list is to be called."""

    title = forms.CharField(max_length=MAX_TITLE)


class MoveForm(SentenceForm):
    """Where a song is to go: up or down by one."""

    by = forms.TypedChoiceField(choices=[("-1", "Up"), ("1", "Down")], coerce=int)


class ImportForm(SentenceForm):
    """A playlist file."""

    file = forms.FileField(error_messages={"required": "Choose a playlist file.", "empty": "The file is empty."})

    def clean_file(self) -> Any:
        """Refuse what is too large before it is read."""
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError(f"A playlist file has at most {MAX_BYTES // 1_000_000} MB.")
        return file


class SongFilterForm(forms.Form):
    """The search page's query string. What cannot be understood is left out, so that an old link still shows songs."""

    q = forms.CharField(required=False, max_length=200)
    quadrant = forms.TypedChoiceField(choices=_QUADRANTS, coerce=int, required=False, empty_value=None)
    genre = forms.CharField(required=False, max_length=100)
    artist = forms.IntegerField(required=False, min_value=1)

    @property
    def filters(self) -> SongFilters:
        """What is valid of what was asked."""
        self.is_valid()
        asked = self.cleaned_data
        quadrant = asked.get("quadrant")
        return SongFilters(
            q=asked.get("q", ""),
            quadrant=Quadrant(quadrant) if quadrant else None,
            genre=asked.get("genre", ""),
            artist_id=asked.get("artist"),
        )


class PlayedForm(SentenceForm):
    """In which playlist a song was played, if in any."""

    playlist = forms.IntegerField(required=False, min_value=1)


class EndedForm(PlayedForm):
    """How much of a song was heard before it ended or was left."""

    listened_s = forms.FloatField(min_value=0.0, max_value=86_400.0)


class FeltForm(PlayedForm):
    """What a song did to the listener. The sliders count only when `felt` says that they were touched."""

    felt = forms.BooleanField(required=False)
    felt_valence = AxisField()
    felt_arousal = AxisField()
    liked = forms.TypedChoiceField(
        choices=[("yes", "Liked it"), ("no", "Not for me")],
        coerce=lambda word: word == "yes",
        required=False,
        empty_value=None,
    )
    familiar = forms.BooleanField(required=False)
    felt_nothing = forms.BooleanField(required=False)
    mood_valence = AxisField()
    mood_arousal = AxisField()

    def clean(self) -> dict[str, Any]:
        """Drop the coordinates of untouched sliders, and refuse a rating that says nothing."""
        cleaned = self.cleaned_data
        if not cleaned.get("felt") or cleaned.get("felt_nothing"):
            cleaned["felt_valence"] = cleaned["felt_arousal"] = None
        elif not self.errors and None in (cleaned.get("felt_valence"), cleaned.get("felt_arousal")):
            raise forms.ValidationError("Say both how pleasant and how energetic it felt.")
        answers = (cleaned.get("felt_valence"), cleaned.get("liked"))
        if not self.errors and answers == (None, None) and not (cleaned["familiar"] or cleaned["felt_nothing"]):
            raise forms.ValidationError("Nothing was answered yet: move a slider, or choose one of the answers.")
        return cleaned

    @property
    def answers(self) -> dict[str, Any]:
        """The answers as `feedback_record` takes them."""
        names = ("felt_valence", "felt_arousal", "liked", "familiar", "felt_nothing")
        mood = (self.cleaned_data["mood_valence"], self.cleaned_data["mood_arousal"])
        return {name: self.cleaned_data[name] for name in names} | {"mood": None if None in mood else mood}
