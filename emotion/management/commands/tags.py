"""`manage.py tags write|restore [SONG...] [--apply]`: write mood, tempo, key and gain into the tags of files."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from tqdm import tqdm

from catalog.models import Song
from catalog.selectors import song_search
from catalog.uploads.tagging import TagChange
from emotion.services.file_tags import GROUPS, Options, SongTagging, files_plan, files_restore, files_write

_WIDTHS = (7, 34, 36, 22)


class Command(BaseCommand):
    help = (
        "Show what would be written into the tags of the songs' files, or what would be given back; with --apply it is "
        "done. The sound of a file never changes, and what stood in its tags is kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("write", "restore"))
        parser.add_argument("songs", nargs="*", type=int, metavar="SONG", help="numbers of songs; by default all")
        parser.add_argument("--query", default="", metavar="WORDS", help="only songs that a search for these finds")
        parser.add_argument(
            "--fields",
            default=",".join(GROUPS),
            metavar="LIST",
            help=f"which of {', '.join(GROUPS)} to write, separated by commas; by default all",
        )
        parser.add_argument("--overwrite", action="store_true", help="also over mood, tempo, key and gain of others")
        parser.add_argument("--folders", action="store_true", help="also the files in watched folders, not only copies")
        parser.add_argument("--keep-times", action="store_true", help="those keep the time of their last change")
        parser.add_argument("--apply", action="store_true", help="write what is shown")

    def handle(self, *args: Any, **options: Any) -> None:
        groups = tuple(part for part in options["fields"].split(",") if part)
        if unknown := set(groups) - set(GROUPS):
            self.stderr.write(f"There are no fields {', '.join(sorted(unknown))}; choose of {', '.join(GROUPS)}.")
            raise SystemExit(2)
        song_ids = self._song_ids(options)
        counts: Counter[str] = Counter()
        self._row("song", "title", "tag", "before", "after")
        with tqdm(desc="Files", total=len(song_ids), unit="song", file=self.stderr, disable=None) as bar:
            for each in self._done(song_ids, groups, options):
                self._show(each, counts)
                bar.update()
        self._sum(counts, len(song_ids), **options)

    def _song_ids(self, options: dict[str, Any]) -> list[int]:
        songs = Song.objects.all()
        if options["songs"]:
            songs = songs.filter(pk__in=options["songs"])
        if options["query"]:
            songs = songs.filter(pk__in=song_search(query=options["query"]).order_by().values("pk"))
        if options["action"] == "restore":
            songs = songs.filter(written_tags__isnull=False)
        else:
            songs = songs.filter(estimates__is_current=True)
        return list(songs.order_by("pk").values_list("pk", flat=True))

    def _done(self, song_ids: list[int], groups: tuple[str, ...], options: dict[str, Any]) -> Iterator[SongTagging]:
        if options["action"] == "restore":
            return files_restore(song_ids, keep_times=options["keep_times"], is_trial=not options["apply"])
        chosen = Options(groups, options["overwrite"], options["folders"], options["keep_times"])
        return (files_write if options["apply"] else files_plan)(song_ids, chosen)

    def _row(self, *cells: str) -> None:
        cut = [_cut(cell, width).ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
        self.stdout.write("  ".join([*cut, *cells[len(_WIDTHS) :]]).rstrip())

    def _show(self, each: SongTagging, counts: Counter[str]) -> None:
        tagging, song = each.tagging, each.song
        counts["songs"] += bool(tagging.changes)
        counts["kept"] += bool(tagging.kept)
        counts["files"] += tagging.n_files
        counts["problems"] += bool(each.problem)
        counts["faults"] += len(tagging.faults)
        for change in tagging.changes:
            self._row(str(song.pk), str(song), change.name, *_values(change))
        if tagging.kept:
            self._row(str(song.pk), str(song), ", ".join(tagging.kept), "stays: it is of others")
        for sentence in [each.problem, *tagging.faults]:
            if sentence:
                self.stderr.write(f"{song.pk}  {song}: {sentence}")

    def _sum(self, counts: Counter[str], n_songs: int, **options: Any) -> None:
        verb = "changed" if options["apply"] else "would change"
        self.stdout.write(f"The tags of {counts['songs']} of {n_songs} songs {verb}.")
        if counts["files"]:
            verb = "followed" if options["apply"] else "would follow"
            self.stdout.write(f"{counts['files']} files in watched folders {verb}.")
        if counts["kept"]:
            self.stdout.write(f"{counts['kept']} songs have values of others, which stay (--overwrite replaces them).")
        if counts["problems"] or counts["faults"]:
            self.stdout.write(f"{counts['problems']} songs and {counts['faults']} files could not be written.")
        if not options["apply"] and counts["songs"]:
            self.stdout.write("Nothing was written; repeat it with --apply.")


def _values(change: TagChange) -> tuple[str, str]:
    return _words(change.before), _words(change.after)


def _words(texts: list[str] | None) -> str:
    return "–" if texts is None else "; ".join(texts)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
