"""`manage.py neighbour add|listener|sync|lists|list|remove NAME`: another OpenSubsonic server beside this one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Q

from catalog.exceptions import CatalogError
from recommender.exceptions import RecommenderError
from recommender.models import Neighbour, NeighbourListener
from recommender.neighbours import services

_PASSWORD = "NEIGHBOUR_PASSWORD"  # noqa: S105 - the name of a variable.


class Command(BaseCommand):
    help = (
        "Take the songs of another OpenSubsonic server (Navidrome, LMS, Funkwhale, ...), and give its listeners lists "
        f"of moods there. Passwords are read from the variable {_PASSWORD}. Nothing there is changed but these lists."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("add", "listener", "sync", "lists", "list", "remove"))
        parser.add_argument("name", nargs="?", default="", help="of the server, as it is called here")
        parser.add_argument("--url", default="", help="add: its address, without /rest")
        parser.add_argument("--user", default="", help="add, listener: the name there")
        parser.add_argument("--files", type=Path, help="add: its folder of music, where that is on this machine too")
        parser.add_argument("--here", default="", metavar="USER", help="listener: the name here")
        parser.add_argument("--at-most", type=int, metavar="N", help="sync: fetch no more songs in this run")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except (CatalogError, RecommenderError) as error:
            raise CommandError(str(error)) from error

    def _neighbour(self, options: dict[str, Any]) -> Neighbour:
        found = Neighbour.objects.filter(name=options["name"]).first()
        if found is None:
            raise CommandError(f"There is no neighbour {options['name']!r}; add it first.")
        return found

    def _account(self, options: dict[str, Any]) -> dict[str, str]:
        password = os.environ.get(_PASSWORD, "")
        if not options["user"] or not password:
            raise CommandError(f"Give --user, and its password in {_PASSWORD}.")
        return {"user_name": options["user"], "password": password}

    def _add(self, options: dict[str, Any]) -> None:
        if not options["name"]:
            raise CommandError("Give the server a name.")
        account = self._account(options)
        neighbour = services.neighbour_add(name=options["name"], url=options["url"], files=options["files"], **account)
        how = "its password, since the server knows no tokens" if neighbour.sends_password else "tokens"
        self.stdout.write(f"{neighbour} is connected; it is asked with {how}.")

    def _listener(self, options: dict[str, Any]) -> None:
        user = User.objects.filter(username=options["here"]).first()
        if user is None:
            raise CommandError("Give --here, the name of a listener of this server.")
        account = services.listener_add(neighbour=self._neighbour(options), user=user, **self._account(options))
        self.stdout.write(f"{user} gets lists as {account.user_name}.")

    def _sync(self, options: dict[str, Any]) -> None:
        done = services.neighbour_sync(
            neighbour=self._neighbour(options), at_most=options["at_most"], told=self.stderr.write
        )
        self.stdout.write(
            f"{done.n_listed} songs there: {done.n_added} added, {done.n_same} were here, {done.n_known} known, "
            f"{done.n_refused} refused, {done.n_left} left for the next run, {done.n_gone} gone."
        )

    def _lists(self, options: dict[str, Any]) -> None:
        for account in NeighbourListener.objects.filter(neighbour=self._neighbour(options)).select_related("listener"):
            counts = services.lists_write(account=account)
            self.stdout.write(f"{account.user_name}: " + ", ".join(f"{word} {n}" for word, n in counts.items()))

    def _list(self, _options: dict[str, Any]) -> None:
        taken = Count("songs", filter=Q(songs__song__isnull=False, songs__gone_at=None))
        for neighbour in Neighbour.objects.annotate(n_songs=taken):
            self.stdout.write(f"{neighbour.name}  {neighbour.url}  {neighbour.n_songs} songs")

    def _remove(self, options: dict[str, Any]) -> None:
        neighbour = self._neighbour(options)
        for account in NeighbourListener.objects.filter(neighbour=neighbour):
            services.lists_delete(account=account)
        neighbour.delete()
        self.stdout.write("Removed, with its lists there; the songs stay here.")
