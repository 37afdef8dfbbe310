"""Retrains on the data sets and this installation's perceived labels, never on felt ratings, up to the gate."""

from __future__ import annotations

import json
import logging
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Concat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from catalog.core import claims
from catalog.core.files import digest
from catalog.files.storage import local_copy, media_exists
from emotion.exceptions import DeviceUnavailableError
from emotion.inference.quadrants import Quadrant
from emotion.models import PerceivedLabel
from emotion.selectors import served_model
from training.datasets import DATASETS, Clip
from training.datasets.base import artist_key
from training.exceptions import RetrainBusyError, RetrainRefusedError, TrainingError
from training.models import Retraining
from training.recipes.registry import DEFAULT_RECIPE, RECIPES, Recipe, RetrainJob
from training.registry.services import gate_check, model_import_run, shipped_register

logger = logging.getLogger(__name__)

# Fewer songs than this cannot move a head that thousands of clips of the data sets have fitted.
MIN_OWN_SONGS = 20
BEAT_S = 5.0
NAME = "own"
# A quarter of a vote for each quadrant: one rater alone gives .63 to their choice, five who agree .88.
_PRIOR_VOTES = 0.25

_State = Retraining.State
_Target = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class LocalLabels:
    """The perceived labels of the people of this installation.

    `clips` has a clip for each song whose raters prefer one quadrant and whose file is there; `targets`, by clip id,
    the share of each quadrant, adding up to 1; `votes`, by song content, raters and their labels, also of songs left
    out as tied or missing; `agreement` is the share of pairs of raters of one song who agree, None without any pair.
    """

    clips: list[Clip]
    targets: dict[str, _Target]
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
            votes, total = Counter(label.quadrant for label in labels), len(labels) + _PRIOR_VOTES * len(Quadrant)
            q1, q2, q3, q4 = ((votes[quadrant.value] + _PRIOR_VOTES) / total for quadrant in Quadrant)
            target, audio = (q1, q2, q3, q4), labels[0].song.audio
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


def _clip(labels: list[PerceivedLabel], target: _Target, audio: Path) -> Clip:
    song = labels[0].song
    points = [(each.valence, each.arousal) for each in labels if each.valence is not None and each.arousal is not None]
    valence, arousal = (sum(values) / len(values) for values in zip(*points, strict=True)) if points else (None, None)
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


def retraining_request(*, user: User | None = None, recipe: str = DEFAULT_RECIPE, claim: bool = False) -> Retraining:
    """Create a retraining, which a worker of the gpu queue takes; with `claim` the caller holds it from the start.

    Raises:
        RetrainBusyError: One is under way.
        RetrainRefusedError: There is no such recipe.
    """
    if recipe not in RECIPES:
        raise RetrainRefusedError(
            _("The recipe “%(recipe)s” does not exist; choose one of %(recipes)s.")
            % {"recipe": recipe, "recipes": ", ".join(RECIPES)}
        )
    # The tick ends a lost one too, but later.
    claims.reap(Retraining.objects.all())
    try:
        with transaction.atomic():
            row = Retraining.objects.create(recipe=recipe, started_by=user)
            if claim:
                # Before the commit, so that no worker takes it first.
                return claims.claim(Retraining.objects.filter(pk=row.pk))[0]
    except IntegrityError:
        raise RetrainBusyError(
            _("A retraining is already under way; wait for it to finish, or cancel it on the models page.")
        ) from None
    RETRAININGS.wake_on_commit()
    return row


def retraining_cancel(*, pk: int) -> bool:
    """Cancel a retraining that no worker has claimed yet; return whether it was cancelled."""
    outcome = gettext_noop("It was cancelled before it started.")
    changes = {"state": _State.SKIPPED, "outcome": outcome, "state_changed_at": timezone.now()}
    return bool(Retraining.objects.filter(pk=pk, state=_State.QUEUED).update(**changes))


def retraining_step() -> None:
    """Run the queued retraining, if there is one."""
    for row in RETRAININGS.claim():
        retraining_run(row=row)


RETRAININGS = claims.register(
    claims.Kind(
        name="retrainings",
        model=Retraining,
        task="training.tasks.retrain",
        rows=Retraining.objects.all,
        step=retraining_step,
    )
)


def retraining_run(
    *, row: Retraining, recipe: Recipe | None = None, force: bool = False, device: str | None = None
) -> Retraining:
    """Run a retraining that the caller has claimed, and return it in its final state, errors in its outcome and log.

    `recipe` takes the place of the row's; `force` runs it even when nothing has changed since the last one;
    the device is `MOODPLANE_DEVICE`, or another.
    """
    Retraining.objects.filter(pk=row.pk).update(started_at=timezone.now())
    # An epoch may take longer than a lease.
    with claims.renewed(row, every_s=BEAT_S):
        try:
            with read_local_labels() as labels:
                _run(
                    row,
                    recipe or RECIPES[row.recipe],
                    labels,
                    data_sets_here(),
                    device or settings.MOODPLANE_DEVICE,
                    force=force,
                )
        except (TrainingError, DeviceUnavailableError) as error:
            claims.finish(row, state=_State.REFUSED, outcome=str(error))
        # The page shows every error of a recipe, not only the worker's log.
        except Exception as error:
            logger.exception("Retraining %s failed.", row.pk)
            _say(row, traceback.format_exc(limit=-4))
            claims.fail(row, code="error", reason=f"It failed with {type(error).__name__}: {error}")
    row.refresh_from_db()
    return row


def _run(
    row: Retraining, recipe: Recipe, labels: LocalLabels, data_sets: list[str], device: str, *, force: bool
) -> None:
    for line in labels.report():
        _say(row, line)
    _say(row, f"Data sets here: {', '.join(data_sets) or 'none'}.")
    _check_enough(labels)
    fingerprint = _fingerprint(labels, data_sets, recipe)
    last = Retraining.objects.filter(state=_State.DONE, fingerprint=fingerprint).first()
    Retraining.objects.filter(pk=row.pk).update(fingerprint=fingerprint)
    if last is not None and not force:
        made = f", which made {last.model.version}" if last.model else ""
        outcome = f"Nothing has changed since the retraining of {last.created_at:%d %B %Y}{made}."
        claims.finish(row, state=_State.SKIPPED, outcome=outcome)
        return
    shipped_register()
    served = served_model()
    if served.weights is None:
        raise RetrainRefusedError(_("There is no model to start from; import one, or train with manage.py train."))
    version = f"own-{row.pk}-{timezone.now():%Y%m%d}"
    job = RetrainJob(
        version=version,
        live_weights=served.weights,
        data_sets=tuple(data_sets),
        data_root=settings.MER_DATA,
        work_dir=settings.MOODPLANE_VAR / "training",
        run_dir=settings.MOODPLANE_VAR / "runs" / version,
        local_clips=labels.clips,
        local_targets=labels.targets,
        device=device,
    )
    job.run_dir.parent.mkdir(parents=True, exist_ok=True)
    recipe.run(job, lambda line: _say(row, line))
    _say(row, "Trained; importing it and checking it at the gate.")
    model = model_import_run(folder=job.run_dir, user=row.started_by, retrained=True).model
    model = gate_check(version=model.version, user=row.started_by)
    passed = "passes" if model.gate["passed"] else "does not pass"
    claims.finish(row, outcome=f"It made {model.version}, which {passed} the gate.", model=model)


def data_sets_here() -> list[str]:
    """Return the data sets with quadrants whose labels and audio are on this machine."""
    work_dir = settings.MOODPLANE_VAR / "training"
    return [name for name, data_set in DATASETS.items() if data_set.is_trainable(settings.MER_DATA, work_dir)]


def _check_enough(labels: LocalLabels) -> None:
    if len(labels.clips) < MIN_OWN_SONGS:
        raise RetrainRefusedError(
            ngettext(
                "%(n)d song has a usable label; retraining needs %(least)d. Label more songs on their pages.",
                "%(n)d songs have usable labels; retraining needs %(least)d. Label more songs on their pages.",
                len(labels.clips),
            )
            % {"n": len(labels.clips), "least": MIN_OWN_SONGS}
        )


def _fingerprint(labels: LocalLabels, data_sets: list[str], recipe: Recipe) -> str:
    # Names and sizes suffice: reading gigabytes of audio would take minutes.
    folders = {}
    for name in data_sets:
        folder = settings.MER_DATA / DATASETS[name].folder
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        lines = (f"{path.relative_to(folder)} {path.stat().st_size}\n" for path in files)
        folders[name] = digest("".join(lines).encode())
    content = {"own": labels.fingerprint(), "data_sets": folders, "recipe": recipe.text}
    return digest(json.dumps(content, sort_keys=True).encode())


def _say(row: Retraining, line: str) -> None:
    logger.info("Retraining %s: %s", row.pk, line)
    # Hours may lie between two lines, and an idle connection may be gone by then.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    stamped = f"{timezone.now():%H:%M:%S} {line.rstrip()}\n"
    Retraining.objects.filter(pk=row.pk).update(log=Concat("log", Value(stamped)))
