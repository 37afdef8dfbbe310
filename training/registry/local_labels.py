"""The labels that people gave here, as a data set: songs of the catalog, with soft labels from how far raters agree."""

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
# A quarter of a voice for each quadrant: one rater alone gives .63 to their choice, five who agree .88.
_PRIOR_VOICES = 0.25

Target = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class OwnLabels:
    """What people here say that songs express.

    Attributes:
        clips: A clip for each song whose raters prefer one quadrant and whose file is there.
        targets: By clip id, the share of each quadrant, adding up to 1.
        votes: By song content, raters and what they said; also of songs that are left out.
        n_raters: People.
        n_tied: Songs left out because their raters are evenly split.
        n_missing: Songs left out because their file is gone.
        agreement: Share of pairs of raters of one song who say the same; None without any pair.
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
        lines = [f"{song} {' '.join(sorted(said))}" for song, said in sorted(self.votes.items())]
        return digest("\n".join(lines).encode())

    def report(self) -> list[str]:
        """Say what there is, in sentences."""
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
def own_labels() -> Iterator[OwnLabels]:
    """Read the perceived labels of all people; the files of the clips are on this machine until the block ends."""
    with ExitStack() as copies:
        yield _read(copies)


def _read(copies: ExitStack) -> OwnLabels:
    by_song: dict[int, list[PerceivedLabel]] = defaultdict(list)
    for label in PerceivedLabel.objects.select_related("song__artist").order_by("song_id", "rater_id"):
        by_song[label.song_id].append(label)
    clips, targets, tied, missing = [], {}, 0, 0
    for labels in by_song.values():
        target = _target(labels)
        if sorted(target)[-1] == sorted(target)[-2]:
            tied += 1
        elif not media_exists(labels[0].song.audio):
            missing += 1
        else:
            clip = _clip(labels, target, copies.enter_context(local_copy(labels[0].song.audio)))
            clips.append(clip)
            targets[clip.id] = target
    return OwnLabels(
        clips=clips,
        targets=targets,
        votes={labels[0].song.content_hash: [_vote(label) for label in labels] for labels in by_song.values()},
        n_raters=len({label.rater_id for labels in by_song.values() for label in labels}),
        n_tied=tied,
        n_missing=missing,
        agreement=_agreement(list(by_song.values())),
    )


def _target(labels: list[PerceivedLabel]) -> Target:
    voices = Counter(label.quadrant for label in labels)
    total = len(labels) + _PRIOR_VOICES * len(Quadrant)
    q1, q2, q3, q4 = ((voices[quadrant.value] + _PRIOR_VOICES) / total for quadrant in Quadrant)
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


def _vote(label: PerceivedLabel) -> str:
    return f"{label.rater_id}:{label.quadrant}:{label.valence}:{label.arousal}"


def _agreement(songs: list[list[PerceivedLabel]]) -> float | None:
    pairs = [(a.quadrant, b.quadrant) for labels in songs for a, b in combinations(labels, 2)]
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else None
