"""The plane in the API: quadrants, axes, points."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from emotion.inference.quadrants import Quadrant
from emotion.models import quadrant_choices

BIGINT = 2**63 - 1


class QuadrantField(serializers.ChoiceField):
    """A quadrant by its number; `Q4` is understood as well as `4`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=quadrant_choices(), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        text = str(data).strip().upper().removeprefix("Q")
        return Quadrant(int(super().to_internal_value(text)))


class AxisField(serializers.FloatField):
    """A coordinate of the plane."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=-1.0, max_value=1.0, **kwargs)


class PointSerializer(serializers.Serializer[Any]):
    """A point of the plane."""

    valence = AxisField()
    arousal = AxisField()
