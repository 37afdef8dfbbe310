"""What people say that a song expresses."""

from __future__ import annotations

import math

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from catalog.models import Song
from emotion.exceptions import LabelInvalidError
from emotion.inference.quadrants import Quadrant
from emotion.models import PerceivedLabel


def perceived_label_set(
    *, user: User, song: Song, quadrant: Quadrant, valence: float | None = None, arousal: float | None = None
) -> PerceivedLabel:
    """Store a person's label of a song, with a point if given; a second label replaces the first and its point.

    Raises:
        LabelInvalidError: Half a point, a point off the plane, or one that lies in another quadrant.
    """
    if (valence is None) != (arousal is None):
        raise LabelInvalidError(_("A point has a valence and an arousal; one of them is missing."))
    for name, value, side in zip((_("valence"), _("arousal")), (valence, arousal), quadrant.corner, strict=True):
        if value is None:
            continue
        if not (math.isfinite(value) and -1.0 <= value <= 1.0):
            raise LabelInvalidError(
                _("The %(axis)s is %(value)s; it must lie between -1 and 1.") % {"axis": name, "value": value}
            )
        if value * side < 0:
            raise LabelInvalidError(
                _(
                    "%(code)s (%(name)s) is %(sign)s, but the %(axis)s given is %(value)s: "
                    "correct one of the two, or leave the point out."
                )
                % {"code": quadrant.name, "name": quadrant.label, "sign": quadrant.sign, "axis": name, "value": value}
            )
    label, _created = PerceivedLabel.objects.update_or_create(
        song=song, rater=user, defaults={"quadrant": quadrant.value, "valence": valence, "arousal": arousal}
    )
    return label


def perceived_label_remove(*, user: User, song: Song) -> None:
    """Delete a person's label of a song, if there is one."""
    PerceivedLabel.objects.filter(rater=user, song=song).delete()
