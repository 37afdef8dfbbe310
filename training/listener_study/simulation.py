"""Simulated listeners, whose coefficients are drawn from a prior that real listeners taught.

Coefficients, stay share and liking are drawn from a `Prior` learned on real listeners (`world_prior`), the songs are
real recordings with the shipped model's estimates, and answers follow the very model that the recommender fits. So the
simulation can compare policies when the model holds, and cannot show whether it holds: the real listeners do
(`protocol`).

A listener has `N_SESSIONS` sessions of `SESSION_SONGS` songs, some days apart: each has a mood before, which is known,
and a target quadrant. In a session no song comes twice. Each song is answered by a felt point and a like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from recommender.felt_model.learning import learn
from recommender.felt_model.model import FAMILIAR, MOOD, NOISE_DF, TYPICAL_MOOD, Prior, Ratings, features
from recommender.ranking.lists import Weights, closeness
from training.listener_study import emotify, situnes
from training.listener_study.cohort import Cohort, SongEstimates

N_SESSIONS, SESSION_SONGS = 5, 10
VARIETY = 0.3
WEIGHTS = Weights.of(VARIETY)
# The part of what the coefficients leave unexplained that a listener would repeat of the same song another day. In
# SiTunes ratings correlate .48 (.34 to .60), felt valence .04 (-.14 to .19) and felt arousal -.16 (-.29 to -.01)
# (`situnes.retest_reliability`).
SONG_LIKING_SHARE, SONG_FEELING_SHARE = 0.45, 0.1
# A song's popularity is drawn towards that of all songs as by so many listeners more.
_POPULARITY_LISTENERS = 5.0


@dataclass(frozen=True, slots=True)
class SongPool:
    """The songs to choose from, a row per song; `len` is their number.

    `estimates` are the shipped model's; `artist_ids` `(n,)`; `popularity` `(n,)` is the mean like of real listeners;
    `basis` `(r, d)` projects embeddings.
    """

    estimates: SongEstimates
    artist_ids: NDArray[np.int64]
    popularity: NDArray[np.float64]
    basis: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.artist_ids)

    def features(self, mood: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the features `(n, 6 + r)` of all songs in one mood `(2,)`."""
        moods = np.tile(mood, (len(self), 1))
        return features(self.estimates.perceived, self.estimates.embeddings, moods, np.zeros(len(self)), self.basis)


@dataclass(frozen=True, slots=True)
class AnswerNoise:
    """The chance in each answer, drawn beforehand so that every policy meets the same: `(sessions, songs, ...)`.

    `felt` `(.., 2)` in units of felt emotion; `unmoved` `(.., 2)`, how far an unmoved answer is from the mood;
    `stays` `(..)`, whether the song does nothing; `liking` `(..)`.
    """

    felt: NDArray[np.float64]
    unmoved: NDArray[np.float64]
    stays: NDArray[np.bool_]
    liking: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimulatedListener:
    """A listener who is not real: `coefficients` `(2, 6 + r)`, `liking` `(1 + r,)`, and their sessions.

    `song_felt` `(n, 2)` and `song_like` `(n,)` are effects of single songs; `moods` and `targets` `(sessions, 2)`.
    """

    coefficients: NDArray[np.float64]
    liking: NDArray[np.float64]
    song_felt: NDArray[np.float64]
    song_like: NDArray[np.float64]
    moods: NDArray[np.float64]
    targets: NDArray[np.float64]
    noise: AnswerNoise

    def felt(self, songs: SongPool, mood: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the felt point of each song in a mood, if the song does something, `(n, 2)`."""
        return np.clip(songs.features(mood) @ self.coefficients.T + self.song_felt, -1.0, 1.0)

    def without_song_effects(self) -> SimulatedListener:
        """Return the same listener without effects of single songs: all that coefficients can tell."""
        return replace(self, song_felt=np.zeros_like(self.song_felt), song_like=np.zeros_like(self.song_like))

    def likes(self, songs: SongPool) -> NDArray[np.float64]:
        """Return the like of each song, `(n,)` in [-1, 1]."""
        by_sound = songs.estimates.embeddings @ songs.basis.T @ self.liking[1:]
        return np.asarray(np.clip(self.liking[0] + by_sound + self.song_like, -1.0, 1.0))

    def utility(self, songs: SongPool, session: int) -> NDArray[np.float64]:
        """Return each song's true utility in a session, `(n,)`: closeness to its target and liking, as ranked."""
        close = closeness(self.felt(songs, self.moods[session]), self.targets[session])
        return np.asarray(WEIGHTS.closeness * close + WEIGHTS.liking * self.likes(songs))

    def answer(self, songs: SongPool, session: int, row: int) -> Ratings:
        """Return the answer to a song in a session."""
        noise, mood = self.noise, self.moods[session]
        moved = self.felt(songs, mood)[row] + noise.felt[session, row]
        felt = mood + noise.unmoved[session, row] if noise.stays[session, row] else moved
        liked = np.clip(np.round(self.likes(songs)[row] + noise.liking[session, row]), -1.0, 1.0)
        return songs.estimates.ratings(
            np.array([row]), np.clip(felt, -1.0, 1.0)[None], likes=np.array([liked]), moods=mood[None]
        )


def world_prior(moods_from: Prior, songs_from: Prior) -> Prior:
    """Combine the priors of two studies: mood before, noise and stay share of one, the rest of the other.

    SiTunes knows the mood before and has no sound, Emotify the reverse.
    """
    mean, variances = songs_from.mean.copy(), songs_from.variances.copy()
    for part in (MOOD, FAMILIAR):
        mean[:, part], variances[:, part] = moods_from.mean[:, part], moods_from.variances[:, part]
    noise, stay, stay_sd = moods_from.noise, moods_from.stay, moods_from.stay_sd
    return replace(songs_from, mean=mean, variances=variances, noise=noise, stay=stay, stay_sd=stay_sd)


def mood_spread(listeners: Sequence[Ratings]) -> NDArray[np.float64]:
    """Return the covariance `(2, 2)` of the moods that real listeners had before listening."""
    moods = np.concatenate([each.moods for each in listeners])
    return np.asarray(np.cov(moods[np.isfinite(moods).all(axis=1)].T))


def draw_listener(
    prior: Prior, songs: SongPool, moods: NDArray[np.float64], seed: tuple[int, int]
) -> SimulatedListener:
    """Draw a listener; `moods` is the covariance `(2, 2)` of the mood before a session.

    The seed is that of the run and the listener's number; the same pair gives the same listener.
    """
    rng = np.random.default_rng(seed)
    spread = np.sqrt(prior.spread(songs.basis))
    at_large, spread_at_large, on_timbre, song_variance = prior.liking
    liking_spread = np.sqrt(np.r_[spread_at_large, np.full(len(songs.basis), on_timbre)])
    liking = np.r_[at_large, np.zeros(len(songs.basis))] + liking_spread * rng.standard_normal(len(liking_spread))
    corners = np.array([quadrant.target for quadrant in Quadrant])
    order = np.concatenate([rng.permutation(4), rng.permutation(4)])[:N_SESSIONS]
    felt_variance, shape = prior.noise[:, 1], (N_SESSIONS, len(songs))
    # The order of the draws decides the listeners of a seed.
    return SimulatedListener(
        coefficients=prior.coefficients(songs.basis) + spread * rng.standard_normal(spread.shape),
        liking=liking,
        song_felt=np.sqrt(SONG_FEELING_SHARE * felt_variance) * rng.standard_normal((len(songs), 2)),
        song_like=np.sqrt(SONG_LIKING_SHARE * song_variance) * rng.standard_normal(len(songs)),
        moods=np.clip(rng.multivariate_normal(TYPICAL_MOOD, moods, N_SESSIONS), -1.0, 1.0),
        targets=corners[order],
        noise=AnswerNoise(
            felt=rng.standard_t(NOISE_DF, (*shape, 2)) * np.sqrt((1 - SONG_FEELING_SHARE) * felt_variance),
            unmoved=rng.standard_normal((*shape, 2)) * prior.stay_sd,
            stays=rng.random(shape) < rng.beta(*prior.stay),
            liking=rng.standard_normal(shape) * np.sqrt((1 - SONG_LIKING_SHARE) * song_variance),
        ),
    )


@dataclass(frozen=True, slots=True)
class SimulatedWorld:
    """The songs, the listeners' prior, and the covariance `(2, 2)` of their moods before a session."""

    songs: SongPool
    prior: Prior
    moods: NDArray[np.float64]

    def draw(self, n_listeners: int, seed: int) -> list[SimulatedListener]:
        """Draw listeners; the first ones are the same however many are drawn."""
        return [draw_listener(self.prior, self.songs, self.moods, (seed, number)) for number in range(n_listeners)]


def load_world(data: Path, weights: Path, cache: Path | None = None) -> SimulatedWorld:
    """Learn a world from a folder that holds `situnes` and `emotify`; `weights` and `cache` as in `emotify.load`.

    Raises:
        DatasetError: A study is missing or cannot be read.
    """
    moods, study = situnes.load(data / "situnes"), emotify.load(data / "emotify", weights, cache)
    artists = np.unique([clip.artist for clip in study.clips], return_inverse=True)[1]
    popularity = _popularity(list(study.cohort.listeners.values()), len(study.clips))
    songs = SongPool(study.estimates, np.asarray(artists, np.int64), popularity, study.cohort.basis)
    prior = world_prior(moods_from=_learned(moods), songs_from=_learned(study.cohort))
    return SimulatedWorld(songs, prior, mood_spread(list(moods.listeners.values())))


def _learned(cohort: Cohort) -> Prior:
    return learn(list(cohort.listeners.values()), cohort.basis, Prior.default())


def _popularity(listeners: list[Ratings], n_songs: int) -> NDArray[np.float64]:
    songs = np.concatenate([each.song_ids for each in listeners])
    likes = np.concatenate([each.likes for each in listeners])
    count, total = np.bincount(songs, minlength=n_songs), np.bincount(songs, weights=likes, minlength=n_songs)
    return np.asarray((total + _POPULARITY_LISTENERS * likes.mean()) / (count + _POPULARITY_LISTENERS))
