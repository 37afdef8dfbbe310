"""`manage.py setup`: the first account and the link to its first steps; or make an account one of the staff."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mer_site.installation.first_steps import FIRST_NAME, first_account_create, setup_token


class Command(BaseCommand):
    help = (
        "Make the first account and print its password and the link to the first steps, as `up` does; as long as they "
        "were not taken, print another link."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--staff", metavar="NAME", help="Make the account of this name one of the staff.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["staff"]:
            if not User.objects.filter(username=options["staff"]).update(is_staff=True):
                raise CommandError(f'There is no account "{options["staff"]}".')
            self.stdout.write(f"{options['staff']} is one of the staff now.")
            return
        if password := first_account_create():
            self.stdout.write(
                f"A curator account was created: name {FIRST_NAME}, password {password}  (shown only this once)"
            )
        if token := setup_token():
            self.stdout.write(f"Set it up at /setup/#{token} of this server's address  (valid once)")
        else:
            self.stdout.write("Moodplane is set up. The staff find its settings at /settings/.")
