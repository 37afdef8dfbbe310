"""A simulation: listeners whose coefficients are drawn from what real listeners had in common. Pure.

Nobody in here is real. A simulated listener's coefficients, stay share and liking are drawn from a `Prior` learned on
real ones (`world_prior`), the songs are real recordings as the shipped model hears them, and answers are made by the
very model that the recommender fits. So it can compare policies with one another when the model holds, and says
nothing of whether the model holds: that is what the real listeners are for (`protocol`).

A listener has `N_SESSIONS` sessions of `SESSION_SONGS` songs, some days apart: each has a mood before, which they tell,
and a quadrant they want. In a session no song comes twice. Each song is answered by what was felt and by a like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from recommender.felt_model.model import NOISE_DF, Prior
from recommender.felt_model.ratings import FAMILIAR, MOOD, TYPICAL_MOOD, Ratings, features
from recommender.ranking.lists import Weights, closeness

N_SESSIONS, SESSION_SONGS = 5, 10
VARIETY = 0.3
WEIGHTS = Weights.of(VARIETY)
# The part of what the coefficients leave unexplained that a listener would say of the same song another day. In SiTunes
# ratings correlate .48 (.34 to .60), felt valence .04 (-.14 to .19) and felt arousal -.16 (-.29 to -.01) (`again`).
OWN_LIKING, OWN_FEELING = 0.45, 0.1


@dataclass(frozen=True, slots=True)
class Songs:
    """What there is to play, a row per song.

    `perceived` `(n, 2)`, `embeddings` `(n, d)` and `confidence` `(n,)` are the shipped model's; `artist_ids` `(n,)`;
    `popularity` `(n,)` is the mean like of real listeners; `basis` `(r, d)` projects embeddings.
    """

    perceived: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    confidence: NDArray[np.float64]
    artist_ids: NDArray[np.int64]
    popularity: NDArray[np.float64]
    basis: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.perceived)

    @property
    def ids(self) -> NDArray[np.int64]:
        """A song's id is its row."""
        return np.arange(len(self))

    def features(self, mood: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the features `(n, 6 + r)` of all songs in one mood `(2,)`."""
        moods, nothing_said = np.tile(mood, (len(self), 1)), np.zeros(len(self))
        return features(self.perceived, self.embeddings, moods, nothing_said, self.basis)


@dataclass(frozen=True, slots=True)
class Luck:
    """What chance adds to each answer, drawn beforehand so that every policy meets the same: `(sessions, songs, ...)`.

    `noise` `(.., 2)` in units of felt emotion; `unmoved` `(.., 2)`, how far an unmoved answer is from the mood;
    `stays` `(..)`, whether the song does nothing; `liking` `(..)`.
    """

    noise: NDArray[np.float64]
    unmoved: NDArray[np.float64]
    stays: NDArray[np.bool_]
    liking: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Simulated:
    """A listener who is not real: `coefficients` `(2, 6 + r)`, `liking` `(1 + r,)`, and their sessions.

    `own_felt` `(n, 2)` and `own_like` `(n,)` are what is special about single songs to them; `moods` and `targets`
    `(sessions, 2)`.
    """

    coefficients: NDArray[np.float64]
    liking: NDArray[np.float64]
    own_felt: NDArray[np.float64]
    own_like: NDArray[np.float64]
    moods: NDArray[np.float64]
    targets: NDArray[np.float64]
    luck: Luck

    def felt(self, songs: Songs, mood: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each song does to them in a mood, if it does something, `(n, 2)`."""
        return np.clip(songs.features(mood) @ self.coefficients.T + self.own_felt, -1.0, 1.0)

    def without_surprises(self) -> Simulated:
        """Return the same listener with nothing special about single songs: all that coefficients can tell."""
        return replace(self, own_felt=np.zeros_like(self.own_felt), own_like=np.zeros_like(self.own_like))

    def likes(self, songs: Songs) -> NDArray[np.float64]:
        """Return how much they like each song, `(n,)` in [-1, 1]."""
        by_sound = songs.embeddings @ songs.basis.T @ self.liking[1:]
        return np.clip(self.liking[0] + by_sound + self.own_like, -1.0, 1.0)

    def worth(self, songs: Songs, session: int) -> NDArray[np.float64]:
        """Return what each song is truly worth in a session, `(n,)`: closeness to its target and liking, as ranked."""
        close = closeness(self.felt(songs, self.moods[session]), self.targets[session])
        return np.asarray(WEIGHTS.closeness * close + WEIGHTS.liking * self.likes(songs))

    def answer(self, songs: Songs, session: int, row: int) -> Ratings:
        """Return what they say of a song in a session."""
        luck, mood = self.luck, self.moods[session]
        moved = self.felt(songs, mood)[row] + luck.noise[session, row]
        felt = mood + luck.unmoved[session, row] if luck.stays[session, row] else moved
        liked = np.clip(np.round(self.likes(songs)[row] + luck.liking[session, row]), -1.0, 1.0)
        one = np.ones(1)
        return Ratings(
            song_ids=np.array([row]),
            perceived=songs.perceived[row : row + 1],
            felt=np.clip(felt, -1.0, 1.0)[None],
            embeddings=songs.embeddings[row : row + 1],
            weights=one,
            likes=liked * one,
            like_weights=one,
            moods=mood[None],
            familiar=np.zeros(1),
        )


def world_prior(moods_from: Prior, songs_from: Prior) -> Prior:
    """Put together what two studies teach: one knows the mood before and has no sound, the other the reverse.

    Args:
        moods_from: its mood before, noise, stay share and their spread are taken (SiTunes).
        songs_from: the rest is taken: level, perceived point, timbre and liking (Emotify).
    """
    mean, variances = songs_from.mean.copy(), songs_from.variances.copy()
    for part in (MOOD, FAMILIAR):
        mean[:, part], variances[:, part] = moods_from.mean[:, part], moods_from.variances[:, part]
    return replace(
        songs_from,
        mean=mean,
        variances=variances,
        noise=moods_from.noise,
        stay=moods_from.stay,
        stay_sd=moods_from.stay_sd,
    )


def mood_spread(listeners: Sequence[Ratings]) -> NDArray[np.float64]:
    """Return the covariance `(2, 2)` of the moods that real listeners had before listening."""
    moods = np.concatenate([each.moods for each in listeners])
    return np.asarray(np.cov(moods[np.isfinite(moods).all(axis=1)].T))


def draw_listener(prior: Prior, songs: Songs, moods: NDArray[np.float64], seed: tuple[int, int]) -> Simulated:
    """Draw a listener.

    Args:
        prior: what such listeners have in common.
        songs: what they may hear.
        moods: covariance `(2, 2)` of the mood before a session.
        seed: of the run, and the listener's number; the same pair gives the same listener.
    """
    rng = np.random.default_rng(seed)
    spread = np.sqrt(prior.spread(songs.basis))
    at_large, spread_at_large, on_timbre, _ = prior.liking
    liking_spread = np.sqrt(np.r_[spread_at_large, np.full(len(songs.basis), on_timbre)])
    liking = np.r_[at_large, np.zeros(len(songs.basis))] + liking_spread * rng.standard_normal(len(liking_spread))
    corners = np.array([quadrant.target for quadrant in Quadrant])
    order = np.concatenate([rng.permutation(4), rng.permutation(4)])[:N_SESSIONS]
    return Simulated(
        coefficients=prior.coefficients(songs.basis) + spread * rng.standard_normal(spread.shape),
        liking=liking,
        own_felt=np.sqrt(OWN_FEELING * prior.noise[:, 1]) * rng.standard_normal((len(songs), 2)),
        own_like=np.sqrt(OWN_LIKING * prior.liking[3]) * rng.standard_normal(len(songs)),
        moods=np.clip(rng.multivariate_normal(TYPICAL_MOOD, moods, N_SESSIONS), -1.0, 1.0),
        targets=corners[order],
        luck=_draw_luck(prior, len(songs), rng),
    )


def _draw_luck(prior: Prior, n_songs: int, rng: np.random.Generator) -> Luck:
    shape = (N_SESSIONS, n_songs)
    return Luck(
        noise=rng.standard_t(NOISE_DF, (*shape, 2)) * np.sqrt((1 - OWN_FEELING) * prior.noise[:, 1]),
        unmoved=rng.standard_normal((*shape, 2)) * prior.stay_sd,
        stays=rng.random(shape) < rng.beta(*prior.stay),
        liking=rng.standard_normal(shape) * np.sqrt((1 - OWN_LIKING) * prior.liking[3]),
    )
