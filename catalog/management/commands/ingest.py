"""`manage.py ingest PATH... [--wait | --watch]`: take audio files and whole folders from this machine's disk."""

import signal
import threading
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog import selectors
from catalog.files.storage import holds_media
from catalog.models import Song
from catalog.uploads import folders
from catalog.uploads.walking import LeftOut, left_out_words, path_shown
from catalog.uploads.watching import folders_watch

_POLL_S = 1.0
_STALL_S = 60.0


class Command(BaseCommand):
    help = (
        "Add audio files and folders (recursively) to the catalog. A second run adds nothing. With --watch, keep the "
        "catalog in step with folders until Ctrl-C."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="an audio file or a folder")
        parser.add_argument(
            "--watch",
            action="store_true",
            help="keep folders in step; without PATH, those of MUSIC_FOLDERS and those chosen in the browser",
        )
        parser.add_argument("--owner", default="", help="user name of the curator whose uploads these are")
        parser.add_argument("--wait", action="store_true", help="wait until every song is analysed or has failed")
        parser.add_argument("--timeout", type=float, default=0.0, metavar="S", help="stop waiting after S seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        paths: list[Path] = options["paths"]
        owner = User.objects.filter(username=options["owner"]).first()
        if options["owner"] and owner is None:
            raise CommandError(f'There is no user named "{options["owner"]}".')
        if options["watch"]:
            self._watch(paths, owner)
            return
        if not paths:
            raise CommandError("Name an audio file or a folder.")
        missing = [path_shown(path) for path in paths if not path.exists()]
        if missing:
            raise CommandError(f"No such file or folder: {', '.join(missing)}.")
        with tqdm(desc="Ingesting", unit="file", file=self.stderr, disable=None) as bar:

            def show(done: int, total: int, path: Path) -> None:
                bar.total = total
                bar.update(done - bar.n)

            summary = folders.paths_ingest(paths=paths, owner=owner, progress=show)
        if options["wait"]:
            self._wait(summary.song_ids, options["timeout"])
        self._report(summary, waited=options["wait"])
        if not summary.song_ids:
            raise CommandError("No audio files found: give audio files, or a folder that contains some.")

    def _watch(self, paths: list[Path], owner: User | None) -> None:
        if inside := [path for path in paths if holds_media(path)]:
            raise CommandError(f"{path_shown(inside[0])} holds what Moodplane stores itself; name another folder.")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        folders_watch(paths=paths or settings.MUSIC_FOLDERS, owner=owner, stop=stop, say=self._say, chosen=not paths)

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()

    def _wait(self, song_ids: list[int], timeout_s: float) -> None:
        started = moved_at = time.monotonic()
        with tqdm(desc="Analysing", total=len(song_ids), unit="song", file=self.stderr, disable=None) as bar:
            # Deleted songs count as done.
            while left := sum(selectors.state_counts(song_ids)[state] for state in selectors.PENDING_STATES):
                now, done = time.monotonic(), len(song_ids) - left
                if done > bar.n:
                    moved_at = now
                bar.update(done - bar.n)
                if timeout_s and now - started > timeout_s:
                    raise CommandError(f"{left} songs were still not analysed after {timeout_s:g} s.")
                if now - moved_at > _STALL_S:
                    moved_at = now
                    self.stderr.write(f"No song was analysed for {_STALL_S:.0f} s. Is a worker running (manage.py up)?")
                time.sleep(_POLL_S)
            bar.update(len(song_ids) - bar.n)

    def _report(self, summary: folders.IngestSummary, *, waited: bool) -> None:
        for path, sentence in [*summary.failed, *_left_out_named(summary.left_out)]:
            self.stderr.write(f"{path_shown(path)}: {sentence}")
        if waited:
            failed = Song.objects.filter(pk__in=summary.song_ids, state=Song.State.FAILED)
            for song in failed.select_related("artist").order_by("pk"):
                self.stderr.write(f"{song}: {song.failure_reason}")
        self.stdout.write(
            f"{summary.added} added, {summary.duplicates} already here, {len(summary.failed)} could not be added."
        )
        for sentence in left_out_words(summary.left_out.counts()):
            self.stdout.write(sentence)
        counts = selectors.state_counts(summary.song_ids)
        states = ", ".join(f"{count} {Song.State(state).label.lower()}" for state, count in counts.items() if count)
        if states:
            self.stdout.write(f"These songs are now: {states}.")


def _left_out_named(left_out: LeftOut) -> list[tuple[Path, str]]:
    """Return what a person can do something about, with a sentence for each path."""
    return [
        *((path, f"It cannot be read: {reason}.") for path, reason in left_out.unreadable),
        *((path, "It is a pipe, a socket or a device, and was not opened.") for path in left_out.special),
        *((path, "It leads to a folder that is read already.") for path in left_out.loops),
        *((path, "The link leads nowhere.") for path in left_out.broken),
    ]
