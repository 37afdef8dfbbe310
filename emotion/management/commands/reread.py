"""`manage.py reread [--apply] [SONG...]`: read the files of songs again, as the program reads them today."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from tqdm import tqdm

from catalog.models import Song, SongChange
from catalog.selectors import song_search
from catalog.songs.rereading import Reread, songs_due, songs_reread
from emotion.library.services import library_reread


class Command(BaseCommand):
    help = (
        "Show where the files of songs say otherwise than the catalog: tags, cover, length, type. What a curator has "
        "edited stays. With --apply it is written, as a change that the library can undo; each file is read once, so "
        "that an interrupted run can be repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("songs", nargs="*", type=int, metavar="SONG", help="numbers of songs; by default all")
        parser.add_argument("--query", default="", metavar="WORDS", help="only songs that a search for these finds")
        parser.add_argument("--apply", action="store_true", help="write what is shown")
        parser.add_argument("--again", action="store_true", help="also files that this version has read already")

    def handle(self, *args: Any, **options: Any) -> None:
        songs = Song.objects.all()
        if options["songs"]:
            songs = songs.filter(pk__in=options["songs"])
        if options["query"]:
            songs = songs.filter(pk__in=song_search(query=options["query"]).order_by().values("pk"))
        due = songs_due(songs=songs, again=options["again"])
        song_ids = list(due.order_by("pk").values_list("pk", flat=True))
        counts: Counter[str] = Counter()
        change: SongChange | None = None
        with tqdm(desc="Reading", total=len(song_ids), unit="song", file=self.stderr, disable=None) as bar:
            for batch in songs_reread(song_ids):
                if options["apply"]:
                    change = library_reread(rereads=batch, change=change)
                for each in batch:
                    self._show(each, counts)
                bar.update(len(batch))
        self._sum(len(song_ids), counts, applied=options["apply"])

    def _show(self, each: Reread, counts: Counter[str]) -> None:
        changes = each.changes
        counts["songs"] += bool(changes)
        counts["kept"] += bool(each.kept)
        counts["unread"] += bool(each.problem)
        counts.update(f"field {name}" for name in changes)
        if not (changes or each.kept or each.problem):
            return
        self.stdout.write(f"{each.song.pk}  {each.song}")
        for name, (before, after) in changes.items():
            self.stdout.write(f"    {name}: {_words(name, before)} -> {_words(name, after)}")
        if each.kept:
            self.stdout.write(f"    stays as a curator has it: {', '.join(each.kept)}")
        if each.problem:
            self.stdout.write(f"    {each.problem}")

    def _sum(self, n_songs: int, counts: Counter[str], *, applied: bool) -> None:
        by_field = [f"{name.removeprefix('field ')} {n}" for name, n in counts.most_common() if name[:6] == "field "]
        verb = "changed" if applied else "would change"
        self.stdout.write(
            f"{counts['songs']} of {n_songs} songs {verb}{': ' if by_field else ''}{', '.join(by_field)}."
        )
        if counts["kept"]:
            self.stdout.write(f"{counts['kept']} have fields that stay as a curator has them.")
        if counts["unread"]:
            self.stdout.write(f"{counts['unread']} could not be read.")
        if not applied and counts["songs"]:
            self.stdout.write("Nothing was written; repeat it with --apply.")


def _words(name: str, value: Any) -> str:
    if name in ("cover", "lyrics"):
        return "yes" if value else "none"
    if name == "duration_s":
        return f"{value:.1f} s"
    return "none" if value in ("", None) else str(value)
