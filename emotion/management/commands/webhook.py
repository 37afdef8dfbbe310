"""`manage.py webhook add URL|remove URL|list`: who is told of analysed songs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Q

from catalog.exceptions import AddressRefusedError
from emotion.jobs.webhooks import webhook_create
from emotion.models import Webhook, WebhookDelivery


class Command(BaseCommand):
    help = (
        "Name an address that is told of every song that is analysed; `add` prints its secret alone on the last line."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("add", "remove", "list"))
        parser.add_argument("url", nargs="?", default="")
        parser.add_argument("--private", action="store_true", help="it may lie in this machine's own network")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "list":
            self._list()
        elif options["action"] == "remove":
            if not Webhook.objects.filter(url=options["url"]).delete()[0]:
                raise CommandError(f"There is no webhook {options['url']}.")
        else:
            try:
                webhook, secret = webhook_create(url=options["url"], may_be_private=options["private"])
            except AddressRefusedError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"{webhook} is told of analysed songs. Its signatures are made with:")
            self.stdout.write(secret)

    def _list(self) -> None:
        states = (WebhookDelivery.WAITING, WebhookDelivery.CLAIMED)
        waiting = Count("deliveries", filter=Q(deliveries__state__in=states))
        failed = Count("deliveries", filter=Q(deliveries__state=WebhookDelivery.FAILED))
        for webhook in Webhook.objects.annotate(n_waiting=waiting, n_failed=failed):
            self.stdout.write(f"{webhook.url}  {webhook.n_waiting} waiting, {webhook.n_failed} failed")
