"""Django's `makemessages` with our markers, without folders of others."""

from typing import Any

from django.core.management.commands import makemessages

_NOT_OURS = ("var/*", "runs/*", "tests/*", "bench/*", "static/vendor/*", "node_modules/*")


class Command(makemessages.Command):
    """Collect the messages of one domain: `django` (Python and templates) or `djangojs` (scripts)."""

    xgettext_options = [
        *makemessages.Command.xgettext_options,
        "--keyword=ngettext_noop:1,2",
        "--keyword=pgettext_noop:1c,2",
    ]

    # A guessed translation would hide that there is none.
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]

    def handle(self, *args: Any, **options: Any) -> None:
        options["ignore_patterns"] = [*options["ignore_patterns"], *_NOT_OURS]
        # Line numbers would change with every edit of the code.
        options["add_location"] = options["add_location"] or "file"
        super().handle(*args, **options)
