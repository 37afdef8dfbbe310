"""Writes tags into the files of songs in the background, one song at a time, as curators asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from catalog.core import claims
from catalog.core.claims import JobState
from emotion.models import TagWriting
from emotion.services.file_tags import Options, SongTagging, files_restore, files_write


def tags_request(*, song_ids: Iterable[int], options: Options | None) -> int:
    """Ask for tags to be written into the files of songs, or for what was written to be taken back (no options).

    A request that waits is replaced by the new one. Return how many songs there are.
    """
    stored: dict[str, Any] = {}
    if options is not None:
        stored = {"groups": options.groups, "overwrite": options.overwrite}
        stored |= {"in_folders": options.in_folders, "keep_times": options.keep_times}
    rows = [
        TagWriting(song_id=pk, is_restoring=options is None, options=stored, due_at=Now(), state_changed_at=Now())
        for pk in song_ids
    ]
    fields = ["is_restoring", "options", "state", "attempts", "claim", "due_at", "failure_code", "failure_reason"]
    with transaction.atomic():
        TagWriting.objects.bulk_create(
            rows,
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["song"],
            update_fields=[*fields, "n_changed", "remark", "state_changed_at"],
        )
        TAGS.wake_on_commit()
    return len(rows)


def tags_step() -> bool:
    """Write the tags of one song; return whether there was one."""
    for row in TAGS.claim():
        with claims.released_on_error([row]), claims.renewed(row):
            for done in _taggings(row):
                if done.problem:
                    claims.fail(row, code="tags_not_writable", reason=done.problem)
                else:
                    remark = "\n".join(done.tagging.faults)
                    claims.finish(row, n_changed=len(done.tagging.changes), remark=remark)
                return True
            # It is not analysed any more, or deleted.
            claims.finish(row)
        return True
    return False


def _taggings(row: TagWriting) -> Iterable[SongTagging]:
    if row.is_restoring:
        return files_restore([row.song_id], keep_times=bool(row.options.get("keep_times")))
    return files_write([row.song_id], Options.of(row.options))


def tags_progress() -> dict[str, int]:
    """Return how many requests are in each state."""
    counted = TagWriting.objects.order_by().values_list("state").annotate(n=Count("pk"))
    return dict.fromkeys(JobState.values, 0) | dict(counted)


def _rows() -> QuerySet[TagWriting]:
    return TagWriting.objects.all()


TAGS = claims.register(claims.Kind("tags", TagWriting, "emotion.tasks.tags_go_on", _rows, tags_step))
