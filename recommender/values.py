"""Values that cross the recommender's modules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.utils.translation import gettext as _

from emotion.inference.quadrants import Quadrant
from recommender.exceptions import PlaylistInvalidError

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from recommender.models import FeltRating, Listen


@dataclass(frozen=True, slots=True)
class Listener:
    """The owner of a playlist: a signed-in user, or a visitor's browser session."""

    user: User | None
    session_key: str = ""

    @property
    def is_nobody(self) -> bool:
        """Whether there is neither account nor session, so that nothing can belong to them."""
        return self.user is None and not self.session_key

    def owner_fields(self, field: str) -> dict[str, Any]:
        """Return the values that make a row theirs, with the user under the name `field`."""
        return {field: self.user, "session_key": "" if self.user else self.session_key}

    def owns(self, field: str) -> Q:
        """Return the condition on rows that are theirs; no row is nobody's."""
        if self.user is not None:
            return Q(**{field: self.user})
        return Q(pk__in=[]) if self.is_nobody else Q(**self.owner_fields(field))


@dataclass(frozen=True, slots=True)
class Target:
    """A point on the plane, each axis in [-1, 1]; `quadrant` is set when the listener chose a quadrant by name."""

    valence: float
    arousal: float
    quadrant: Quadrant | None = None

    @classmethod
    def of_quadrant(cls, quadrant: Quadrant) -> Target:
        """Return the point that stands for a quadrant."""
        valence, arousal = quadrant.target
        return cls(valence=valence, arousal=arousal, quadrant=quadrant)

    @classmethod
    def of_point(cls, valence: float, arousal: float) -> Target:
        """Return a free point.

        Raises:
            PlaylistInvalidError: an axis is outside [-1, 1] or not a number.
        """
        for name, value in ((_("valence"), valence), (_("arousal"), arousal)):
            if not (math.isfinite(value) and -1.0 <= value <= 1.0):
                raise PlaylistInvalidError(
                    _("The target's %(axis)s is %(value)s; it must lie between -1 and 1.")
                    % {"axis": name, "value": value}
                )
        return cls(valence=valence, arousal=arousal)

    @property
    def point(self) -> tuple[float, float]:
        """(valence, arousal)."""
        return self.valence, self.arousal


@dataclass(frozen=True, slots=True)
class Filters:
    """The limits of a playlist; empty means everything."""

    genre: str = ""
    artist_id: int | None = None
    # The first year of ten, such as 1990.
    decade: int | None = None

    @classmethod
    def from_json(cls, stored: dict[str, object]) -> Filters:
        """Read what `as_json` wrote."""
        artist, decade = stored.get("artist"), stored.get("decade")
        return cls(
            genre=str(stored.get("genre", "")),
            artist_id=artist if isinstance(artist, int) else None,
            decade=decade if isinstance(decade, int) else None,
        )

    def as_json(self) -> dict[str, object]:
        """Return the filters that are set, such as `{"genre": "Rock", "artist": 3, "decade": 1990}`."""
        stored: dict[str, object] = {}
        if self.genre:
            stored["genre"] = self.genre
        if self.artist_id is not None:
            stored["artist"] = self.artist_id
        if self.decade is not None:
            stored["decade"] = self.decade
        return stored


NO_FILTERS = Filters()


@dataclass(frozen=True, slots=True)
class RerankResult:
    """What a re-ranking did; `moved` are the songs that are new in the rest or at another place, in list order."""

    changed: bool
    sentence: str
    moved: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedbackResult:
    """A stored rating and what it did to the playlist that was playing."""

    rating: FeltRating
    rerank: RerankResult | None = None


@dataclass(frozen=True, slots=True)
class ListenResult:
    """A stored listen, and what it did to the playlist that was playing."""

    listen: Listen
    rerank: RerankResult | None = None
