"""What the listener's model has learned about them, in sentences, each with how sure it is.

Every sentence is about one contrast of the model's coefficients, with the estimate and the standard deviation that the
posterior gives it. How sure that is follows from three rules, and from nothing else:

1. The ratings must have removed at least `LEARNED` of the variance that the prior left; else there are too few of them.
2. A direction ("happier than they sound") is named by how probable it is that it is the right one:
   `SURE_Z`, `FAIRLY_Z` and `HINT_Z` standard deviations from zero are 97.5, 90 and 75 percent.
   If none of that is reached, but the standard deviation is below `PRECISE`, there is no difference to speak of.
3. A share ("a third of the songs") is named by its standard deviation: `SURE_SD`, `FAIRLY_SD` and `HINT_SD`.
   Above that, too few ratings.

What was picked as the strongest of many is never called more than fairly sure, and nothing more than a hint from fewer
than `FEW_RATINGS` ratings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, percent
from emotion.inference.quadrants import Quadrant
from recommender.arrays import Floats, Ints
from recommender.felt_model.model import FAMILIAR, N_NAMED, ListenerModel, Ratings
from recommender.reasons.reasons import direction

LEARNED = 0.25
FEW_RATINGS = 5
SURE_Z, FAIRLY_Z, HINT_Z = 1.96, 1.28, 0.67
SURE_SD, FAIRLY_SD, HINT_SD = 0.05, 0.1, 0.15
PRECISE = 0.06
# A person does not notice a smaller difference on the plane.
NOTICEABLE = 0.04
# A kind of song is named when it moves the listener this much more or less than songs at large.
STANDS_OUT = 0.1
_MOOD_FIRST = 1


class Sure(StrEnum):
    """How sure a sentence is."""

    SURE = gettext_noop("quite sure")
    FAIRLY = gettext_noop("fairly sure")
    HINT = gettext_noop("only a hint")
    TOO_FEW = gettext_noop("too few ratings to tell")

    @property
    def label(self) -> str:
        """The words for it in the reader's language."""
        return _(self.value)


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence, how sure it is, and the number behind it with its standard deviation; NaN when there is none."""

    sentence: str
    sure: Sure
    value: float = float("nan")
    sd: float = float("nan")

    @property
    def known(self) -> bool:
        """Whether there were ratings enough."""
        return self.sure is not Sure.TOO_FEW

    @property
    def measured(self) -> bool:
        """Whether there is a number behind it."""
        return isfinite(self.value)


@dataclass(frozen=True, slots=True)
class Topic:
    """The findings about one subject."""

    title: str
    findings: tuple[Finding, ...]


class _Estimate(NamedTuple):
    value: float
    sd: float
    prior_sd: float

    @property
    def at_least(self) -> float:
        """A likely lower bound of its size."""
        return abs(self.value) - FAIRLY_Z * self.sd


_NOTHING = _Estimate(0.0, 1.0, 1.0)


def _estimates(contrasts: Floats, mean: Floats, covariance: Floats, spread: Floats) -> Floats:
    """Return estimates `(n, 3)` of the sums that `contrasts` `(n, p)` weigh, of coefficients with a variance before."""
    variances = ((contrasts @ covariance) * contrasts).sum(axis=1)
    return np.column_stack([contrasts @ mean, np.sqrt(np.maximum(variances, 0.0)), np.sqrt(contrasts**2 @ spread)])


def topics_of(model: ListenerModel, ratings: Ratings, titles: Mapping[int, str]) -> list[Topic]:
    """Return the findings of a listener's model, fitted to `ratings`; a song without a title is never named."""
    # Embeddings are projected once: for some hundred ratings this is most of the work.
    ratings = replace(ratings, embeddings=ratings.embeddings @ model.basis.T)
    felt, liked = ratings.with_feeling(), ratings.with_liking()
    mean_point = tuple(felt.perceived.mean(axis=0).tolist()) if len(felt.song_ids) else (0.0, 0.0)
    at_large = tuple(_shift(model, "", mean_point, _mean_sound(model, felt)))
    topics = [
        Topic(_("Songs in general, apart from your mood"), at_large),
        Topic(_("Kinds of songs that stand out"), _by_quadrant(model, felt, at_large)),
        Topic(_("Your mood before"), tuple(_carried(model, axis) for axis in (0, 1))),
        Topic(_("Songs that change nothing"), (_staying(model),)),
        Topic(_("Songs you know"), (_familiar(model, felt),)),
        Topic(_("The sound that moves you most"), (_moving_sound(model, felt, titles),)),
        Topic(_("What you like"), (_likes_at_large(model, liked), _liked_sound(model, liked, titles))),
    ]
    if max(len(felt.song_ids), len(liked.song_ids)) >= FEW_RATINGS:
        return topics
    return [replace(topic, findings=tuple(_at_most_a_hint(each) for each in topic.findings)) for topic in topics]


def _at_most_a_hint(finding: Finding) -> Finding:
    return replace(finding, sure=Sure.HINT) if finding.sure in {Sure.SURE, Sure.FAIRLY} else finding


def sure_of_direction(value: float, sd: float, prior_sd: float) -> Sure | None:
    """Return how sure it is that the posterior's mean `value` has the right sign; None when it is as good as zero."""
    if sd**2 > (1 - LEARNED) * prior_sd**2:
        return Sure.TOO_FEW
    z = abs(value) / sd if sd else 0.0
    # Nothing is as good as zero unless it is known well enough to say so.
    if abs(value) < NOTICEABLE or z < HINT_Z:
        return None if sd <= PRECISE else Sure.TOO_FEW
    if z >= SURE_Z:
        return Sure.SURE
    return Sure.FAIRLY if z >= FAIRLY_Z else Sure.HINT


def sure_of_share(sd: float, prior_sd: float) -> Sure:
    """Return how sure a share is, from its standard deviation and the one before any rating."""
    if sd**2 > (1 - LEARNED) * prior_sd**2 or sd > HINT_SD:
        return Sure.TOO_FEW
    if sd <= SURE_SD:
        return Sure.SURE
    return Sure.FAIRLY if sd <= FAIRLY_SD else Sure.HINT


def _contrast(model: ListenerModel, axis: int, contrast: Floats, less: float = 0.0) -> _Estimate:
    """Return a weighted sum of the coefficients of one axis, less a number that is known."""
    spread = model.prior.spread(model.basis)[axis]
    rows = _estimates(contrast[None], model.coefficients[axis], model.posterior.covariance[axis], spread)
    value, sd, prior_sd = rows[0].tolist()
    return _Estimate(value - less, sd, prior_sd)


def _strongest(
    song_ids: Ints, estimates: Floats, titles: Mapping[int, str], *, above_zero: bool = False
) -> tuple[int, _Estimate] | None:
    """Return the song of which most is certain, among those with a title of which anything was learned."""
    may = np.array([song_id in titles for song_id in song_ids.tolist()], bool)
    values, sds, prior_sds = estimates.T
    may &= sds**2 <= (1 - LEARNED) * prior_sds**2
    if above_zero:
        may &= values > 0
    if not may.any():
        return None
    row = int(np.argmax(np.where(may, np.abs(values) - FAIRLY_Z * sds, -np.inf)))
    return int(song_ids[row]), _Estimate(*estimates[row].tolist())


def _mean_sound(model: ListenerModel, felt: Ratings) -> Floats:
    return np.mean(felt.embeddings, axis=0) if len(felt.song_ids) else np.zeros(len(model.basis))


def _shift(model: ListenerModel, kind: str, point: tuple[float, float], sound: Floats) -> list[Finding]:
    """Describe for both axes how far songs at a point move this listener away from it."""
    # The features of a song there, in a typical mood.
    song = np.r_[1.0, 0.0, 0.0, 0.0, point[0], point[1], sound]
    return [_moved(kind, axis, _contrast(model, axis, song, less=point[axis])) for axis in (0, 1)]


def _moved(kind: str, axis: int, estimate: _Estimate) -> Finding:
    sure = sure_of_direction(*estimate)
    if sure is None:
        sentence = _((_KIND_AS_THEY_SOUND if kind else _AS_THEY_SOUND)[axis]) % {"kind": kind}
        return Finding(sentence, Sure.SURE, estimate.value, estimate.sd)
    if sure is Sure.TOO_FEW:
        return Finding(_((_WHETHER_KIND if kind else _WHETHER)[axis]) % {"kind": kind}, sure)
    words = {"direction": _direction_word(axis, estimate.value), "kind": kind}
    of_kind = _("Songs that sound %(kind)s leave you %(direction)s than they sound.")
    at_large = _("Songs leave you %(direction)s than they sound.")
    return Finding((of_kind if kind else at_large) % words, sure, estimate.value, estimate.sd)


def _by_quadrant(model: ListenerModel, felt: Ratings, at_large: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Describe only quadrants with rated songs; elsewhere the model would extrapolate."""
    sound = _mean_sound(model, felt)
    rated = {Quadrant.from_valence_arousal(*point) for point in felt.perceived.tolist()}
    found = [
        (finding, whole)
        for quadrant in Quadrant
        if quadrant in rated
        for finding, whole in zip(_shift(model, quadrant.label.lower(), quadrant.target, sound), at_large, strict=True)
        if finding.known
    ]
    if not found:
        return (Finding(_("Which kinds of songs affect you differently from how they sound."), Sure.TOO_FEW),)
    outstanding = tuple(
        finding
        for finding, whole in found
        # An effect beyond that of songs at large.
        if abs(finding.value) >= NOTICEABLE
        and (not whole.measured or whole.value * finding.value <= 0 or abs(finding.value - whole.value) >= STANDS_OUT)
    )
    nothing = _("So far, no kind of song affects you differently from songs in general.")
    return outstanding or (Finding(nothing, Sure.HINT),)


def _carried(model: ListenerModel, axis: int) -> Finding:
    contrast = np.zeros(model.coefficients.shape[1])
    contrast[_MOOD_FIRST + axis] = 1.0
    estimate = _contrast(model, axis, contrast)
    sure = sure_of_share(estimate.sd, estimate.prior_sd)
    if sure is Sure.TOO_FEW or not np.isfinite(model.answers.unmoved).any():
        usual = float(model.prior.coefficients(model.basis)[axis, _MOOD_FIRST + axis])
        return Finding(_(_HOW_MUCH_CARRIED[axis]) % {"share": percent(usual)}, Sure.TOO_FEW)
    # No share is below nothing, whatever a few answers suggest.
    value = max(estimate.value, 0.0)
    return Finding(_(_CARRIED[axis]) % {"share": percent(value)}, sure, value, estimate.sd)


def _staying(model: ListenerModel) -> Finding:
    share, sd = _beta(model.posterior.stay)
    sure = sure_of_share(sd, _beta(model.prior.stay)[1])
    if sure is Sure.TOO_FEW:
        return Finding(
            _("How many songs do not change your mood: to learn this, set your mood before listening."), sure
        )
    sentence = _("About %(share)s of the songs you rate do not change your mood.")
    return Finding(sentence % {"share": percent(share)}, sure, share, sd)


def _beta(counts: Floats) -> tuple[float, float]:
    share, n = float(counts[0] / counts.sum()), float(counts.sum())
    return share, sqrt(share * (1 - share) / (n + 1))


def _familiar(model: ListenerModel, felt: Ratings) -> Finding:
    contrast = np.zeros(model.coefficients.shape[1])
    contrast[FAMILIAR] = 2.0  # From -1, new, to 1, known.
    estimates = [_contrast(model, axis, contrast) for axis in (0, 1)]
    axis = int(np.argmax([abs(each.value) / each.sd if each.sd else 0.0 for each in estimates]))
    estimate = estimates[axis]
    sure = sure_of_direction(*estimate)
    if sure is Sure.TOO_FEW or not (felt.familiar != 0).any():
        return Finding(_("Whether songs you know affect you differently from new ones."), Sure.TOO_FEW)
    if sure is None:
        return Finding(_("Songs you know affect you like new ones."), Sure.SURE, estimate.value, estimate.sd)
    sentence = _("Songs you know leave you %(direction)s than new ones.")
    word = _direction_word(axis, estimate.value)
    return Finding(sentence % {"direction": word}, sure, estimate.value, estimate.sd)


def _moving_sound(model: ListenerModel, felt: Ratings, titles: Mapping[int, str]) -> Finding:
    """Name the rated song whose sound, apart from its place on the plane, moves this listener most."""
    sounds = felt.embeddings - _mean_sound(model, felt)
    coefficients, spread = model.coefficients[:, N_NAMED:], model.prior.spread(model.basis)[:, N_NAMED:]
    covariances = model.posterior.covariance[:, N_NAMED:, N_NAMED:]
    found = []
    for axis in (0, 1):
        estimates = _estimates(sounds, coefficients[axis], covariances[axis], spread[axis])
        if strongest := _strongest(felt.song_ids, estimates, titles):
            found.append((*strongest, axis))
    song_id, estimate, axis = max(found, key=lambda each: each[1].at_least, default=(0, _NOTHING, 0))
    sure = sure_of_direction(*estimate)
    if sure is None or sure is Sure.TOO_FEW:
        return Finding(_("Whether a certain sound moves you, wherever the song is on the plane."), Sure.TOO_FEW)
    sentence = _("Songs that sound like “%(title)s” leave you %(direction)s than others at their place on the plane.")
    sentence %= {"title": titles[song_id], "direction": _direction_word(axis, estimate.value)}
    return Finding(sentence, _picked(sure), estimate.value, estimate.sd)


def _likes_at_large(model: ListenerModel, liked: Ratings) -> Finding:
    sounds = _liking_features(liked)
    mean = sounds.mean(axis=0) if len(sounds) else np.r_[1.0, np.zeros(len(model.basis))]
    estimate = _Estimate(*_liking(model, mean[None])[0].tolist())
    sure = sure_of_direction(*estimate)
    # Skips and songs heard out imply a like, and nobody said it.
    if sure is Sure.TOO_FEW or not (liked.like_weights >= 1).any():
        return Finding(_("Whether you like most of the songs you play."), Sure.TOO_FEW)
    if sure is None:
        sentence = _("You like about as many songs as you dislike.")
        return Finding(sentence, Sure.SURE, estimate.value, estimate.sd)
    likes = _("You like more songs than you dislike.")
    dislikes = _("You dislike more songs than you like.")
    return Finding(likes if estimate.value > 0 else dislikes, sure, estimate.value, estimate.sd)


def _liked_sound(model: ListenerModel, liked: Ratings, titles: Mapping[int, str]) -> Finding:
    features = _liking_features(liked)
    sounds = features - features.mean(axis=0) if len(features) else features
    strongest = _strongest(liked.song_ids, _liking(model, sounds), titles, above_zero=True)
    song_id, estimate = strongest or (0, _NOTHING)
    sure = sure_of_direction(*estimate)
    if sure is None or sure is Sure.TOO_FEW:
        return Finding(_("Which sound you like best."), Sure.TOO_FEW)
    sentence = _("You like songs that sound like “%(title)s” best.") % {"title": titles[song_id]}
    return Finding(sentence, _picked(sure), estimate.value, estimate.sd)


def _liking_features(liked: Ratings) -> Floats:
    return np.hstack([np.ones((len(liked.song_ids), 1)), liked.embeddings])


def _liking(model: ListenerModel, contrasts: Floats) -> Floats:
    _, spread, timbre, _ = model.prior.liking
    spreads = np.r_[spread, np.full(len(model.basis), timbre)]
    return _estimates(contrasts, model.liking.mean, model.liking.covariance, spreads)


# Indexed by axis: 0 for pleasantness, 1 for energy. `kind` is a mood that songs sound like, such as "calm".
_AS_THEY_SOUND = (
    gettext_noop("In pleasantness, songs leave you feeling about as they sound."),
    gettext_noop("In energy, songs leave you feeling about as they sound."),
)
_KIND_AS_THEY_SOUND = (
    gettext_noop("In pleasantness, songs that sound %(kind)s leave you feeling about as they sound."),
    gettext_noop("In energy, songs that sound %(kind)s leave you feeling about as they sound."),
)
_WHETHER = (
    gettext_noop("Whether songs leave you sadder or happier than they sound."),
    gettext_noop("Whether songs leave you calmer or more energetic than they sound."),
)
_WHETHER_KIND = (
    gettext_noop("Whether songs that sound %(kind)s leave you sadder or happier than they sound."),
    gettext_noop("Whether songs that sound %(kind)s leave you calmer or more energetic than they sound."),
)
_CARRIED = (
    gettext_noop("About %(share)s of the pleasantness of your previous mood remains while a song plays."),
    gettext_noop("About %(share)s of the energy of your previous mood remains while a song plays."),
)
_HOW_MUCH_CARRIED = (
    gettext_noop(
        "How much of the pleasantness of your previous mood remains while a song plays; for listeners"
        " in general it is about %(share)s."
    ),
    gettext_noop(
        "How much of the energy of your previous mood remains while a song plays; for listeners in "
        "general it is about %(share)s."
    ),
)


def _direction_word(axis: int, value: float) -> str:
    return direction((0.0, value) if axis else (value, 0.0))


def _picked(sure: Sure) -> Sure:
    """Return how sure the strongest of many is: the strongest is partly so by chance."""
    return Sure.FAIRLY if sure is Sure.SURE else sure
