"""`manage.py subsonic_key USER`: make a key for a player of a listener."""

from __future__ import annotations

import argparse
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from recommender.exceptions import SubsonicKeyInvalidError
from recommender.subsonic.credentials import key_make


class Command(BaseCommand):
    help = "Make an OpenSubsonic API key for a listener, and print it alone on the last line; it is shown only now."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("user", help="The listener's user name.")
        parser.add_argument("--name", default="", help='What the key is for, such as "Phone".')

    def handle(self, *args: Any, user: str, name: str, **options: Any) -> None:
        listener = User.objects.filter(username=user).first()
        if listener is None:
            raise CommandError(f"There is no user named {user}.")
        try:
            row, key = key_make(user=listener, name=name)
        except SubsonicKeyInvalidError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The key “{row.name}” of {user}, for the player's field “API key”:")
        self.stdout.write(key)
