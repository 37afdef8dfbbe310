"""What pages may ask of the recommender, checked at the door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS

from emotion.quadrants import Quadrant
from recommender.values import Filters, Target

LENGTHS = (6, 12, 24, 48)
DEFAULT_LENGTH = 12
MAX_LENGTH = 100
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


class PlaylistForm(SentenceForm):
    """A target, named or free, and what the list is limited to. A named quadrant wins over the point."""

    quadrant = forms.TypedChoiceField(choices=_QUADRANTS, coerce=int, required=False, empty_value=None)
    valence = AxisField()
    arousal = AxisField()
    length = forms.IntegerField(required=False, min_value=1, max_value=MAX_LENGTH)
    genre = forms.CharField(required=False, max_length=100)
    artist = forms.IntegerField(required=False, min_value=1)

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

    @property
    def filters(self) -> Filters:
        """What the list is limited to."""
        return Filters(genre=self.cleaned_data["genre"], artist_id=self.cleaned_data["artist"])

    @property
    def length_wanted(self) -> int:
        """How many songs the list should have."""
        return int(self.cleaned_data["length"] or DEFAULT_LENGTH)


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


class SkippedForm(PlayedForm):
    """How much of a song was heard before it was left."""

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
        return {name: self.cleaned_data[name] for name in names}
