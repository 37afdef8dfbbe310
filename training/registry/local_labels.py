"""The perceived labels of this installation as a data set: songs with soft labels by the agreement of their raters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from catalog.core.files import digest
from catalog.files.storage import local_copy, media_exists
from emotion.inference.quadrants import Quadrant
from emotion.models import PerceivedLabel
from training.datasets import Clip
from training.datasets.base import artist_key

NAME = "own"
# A quarter of a vote for each quadrant: one rater alone gives .63 to their choice, five who agree .88.
_PRIOR_VOTES = 0.25

Target = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class LocalLabels:
    """The perceived labels of the people of this installation.

    `clips` has a clip for each song whose raters prefer one quadrant and whose file is there; `targets`, by clip id,
    the share of each quadrant, adding up to 1; `votes`, by song content, raters and their labels, also of songs left
    out as tied or missing; `agreement` is the share of pairs of raters of one song who agree, None without any pair.
    """

    clips: list[Clip]
    targets: dict[str, Target]
    votes: dict[str, list[str]]
    n_raters: int
    n_tied: int
    n_missing: int
    agreement: float | None

    def per_quadrant(self) -> dict[Quadrant, int]:
        """Count the clips of each quadrant, empty quadrants included."""
        counts = Counter(clip.quadrant for clip in self.clips)
        return {quadrant: counts[quadrant] for quadrant in Quadrant}

    def fingerprint(self) -> str:
        """Return a hash of every label."""
        return digest("\n".join(f"{song} {' '.join(sorted(v))}" for song, v in sorted(self.votes.items())).encode())

    def report(self) -> list[str]:
        """Describe the labels in sentences."""
        counts = ", ".join(f"{quadrant.label} {n}" for quadrant, n in self.per_quadrant().items())
        lines = [f"{len(self.clips)} songs labelled here by {self.n_raters} people: {counts}."]
        if self.agreement is not None:
            lines.append(f"Two raters of one song say the same in {self.agreement:.0%} of cases.")
        if self.n_tied:
            lines.append(f"Left out: {self.n_tied} songs whose raters are evenly split.")
        if self.n_missing:
            lines.append(f"Left out: {self.n_missing} songs whose file is not in the media folder.")
        return lines


@contextmanager
def read_local_labels() -> Iterator[LocalLabels]:
    """Read the perceived labels of all people; the files of the clips are on this machine until the block ends."""
    by_song: dict[int, list[PerceivedLabel]] = defaultdict(list)
    for label in PerceivedLabel.objects.select_related("song__artist").order_by("song_id", "rater_id"):
        by_song[label.song_id].append(label)
    clips, targets, tied, missing = [], {}, 0, 0
    with ExitStack() as copies:
        for labels in by_song.values():
            target, audio = _target(labels), labels[0].song.audio
            if sorted(target)[-1] == sorted(target)[-2]:
                tied += 1
            elif not media_exists(audio):
                missing += 1
            else:
                clip = _clip(labels, target, copies.enter_context(local_copy(audio)))
                clips.append(clip)
                targets[clip.id] = target
        pairs = [(a.quadrant, b.quadrant) for labels in by_song.values() for a, b in combinations(labels, 2)]
        yield LocalLabels(
            clips=clips,
            targets=targets,
            votes={
                labels[0].song.content_hash: [f"{v.rater_id}:{v.quadrant}:{v.valence}:{v.arousal}" for v in labels]
                for labels in by_song.values()
            },
            n_raters=len({label.rater_id for labels in by_song.values() for label in labels}),
            n_tied=tied,
            n_missing=missing,
            agreement=sum(a == b for a, b in pairs) / len(pairs) if pairs else None,
        )


def _target(labels: list[PerceivedLabel]) -> Target:
    votes = Counter(label.quadrant for label in labels)
    total = len(labels) + _PRIOR_VOTES * len(Quadrant)
    q1, q2, q3, q4 = ((votes[quadrant.value] + _PRIOR_VOTES) / total for quadrant in Quadrant)
    return q1, q2, q3, q4


def _clip(labels: list[PerceivedLabel], target: Target, audio: Path) -> Clip:
    song = labels[0].song
    points = [(label.valence, label.arousal) for label in labels if label.valence is not None]
    valence, arousal = (_mean([point[axis] for point in points]) for axis in (0, 1))
    return Clip(
        id=f"{NAME}/{song.content_hash[:16]}",
        dataset=NAME,
        song_id=str(song.pk),
        artist=f"song {song.pk}" if song.artist.is_unknown else artist_key(song.artist.name),
        audio=audio,
        quadrant=Quadrant(target.index(max(target)) + 1),
        valence=valence,
        arousal=arousal,
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
