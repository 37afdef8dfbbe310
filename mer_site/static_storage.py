"""Static files with a content hash in their names once they were collected, and by plain name before."""

import re
from collections.abc import Callable
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage

_OWN = ("css/", "js/")


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Serves names missing in the manifest, as in a fresh checkout, unhashed by whitenoise's finders."""

    manifest_strict = False
    # ES modules import each other by relative path; the hashed copies must import hashed copies.
    support_js_module_import_aggregation = True

    def url_converter(
        self, name: str, hashed_files: dict[str, Any], template: str | None = None
    ) -> Callable[[re.Match[str]], str]:
        """Rewrite references; a third party's may lead to files that only a bundler finds."""
        convert = super().url_converter(name, hashed_files, template)
        if name.startswith(_OWN):
            return convert

        def leniently(match: re.Match[str]) -> str:
            try:
                return str(convert(match))
            except ValueError:
                return match.group()

        return leniently

    def stored_name(self, name: str) -> str:
        if not self.hashed_files:
            return name
        try:
            return str(super().stored_name(name))
        except ValueError:
            return name
