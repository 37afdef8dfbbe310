"""Choices of quadrants for models and forms, named in the language of whoever reads them."""

from __future__ import annotations

from django.utils.functional import lazy

from emotion.inference.quadrants import Quadrant


def _label(quadrant: Quadrant) -> str:
    return quadrant.label


_lazy_label = lazy(_label, str)


def quadrant_choices() -> list[tuple[int, str]]:
    """Return the quadrants' numbers and names, such as (1, "Happy"); a name is looked up when it is shown."""
    return [(quadrant.value, _lazy_label(quadrant)) for quadrant in Quadrant]


def quadrant_name_choices() -> list[tuple[str, str]]:
    """Return the quadrants' codes and names, such as ("Q1", "Happy")."""
    return [(quadrant.name, _lazy_label(quadrant)) for quadrant in Quadrant]
