"""Everything that belongs to a user, as a file: one JSON document, or a zip of CSV tables. Written as it is read."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from recommender.privacy.inventory import ACCOUNT, KINDS

FORMAT, VERSION = "moodplane-export", 1
# What a spreadsheet would take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_README = gettext_noop(
    "Everything that Moodplane stores about you, as of %(made_at)s.\n"
    "\n"
    "Each file is a table in CSV (UTF-8, commas, with a header line). An empty cell means that there is no "
    "value. Lists are\n"
    "written as JSON. Text that a spreadsheet would read as a formula is prefixed with an apostrophe; the "
    "JSON export has it\n"
    "unchanged.\n"
    "\n"
    "%(tables)s"
)


@dataclass(frozen=True, slots=True)
class DataExport:
    """A file to be saved, made while it is sent."""

    name: str
    content_type: str
    chunks: Iterator[bytes]


def data_export(user: User, suffix: str) -> DataExport:
    """Return all that belongs to a user.

    Args:
        user: whose.
        suffix: "json" for one document, "csv" for a zip of tables.

    Raises:
        KeyError: there is no such format.
    """
    content_type, extension, write = _FORMATS[suffix]
    name = f"moodplane-{user.get_username()}-{timezone.now():%Y-%m-%d}.{extension}"
    return DataExport(name, content_type, write(user))


def _json_chunks(user: User) -> Iterator[bytes]:
    # By kind, what each field means; "" is about the kind.
    meanings = {
        kind.name: {"": _(kind.about), **{each.name: _(each.meaning) for each in kind.fields}} for kind in KINDS
    }
    head: dict[str, Any] = {"format": FORMAT, "version": VERSION, "made_at": timezone.now(), "fields": meanings}
    yield f"{_json(head)[:-1]}".encode()
    for kind in KINDS:
        if kind is ACCOUNT:
            yield f',\n"{kind.name}": {_json(next(kind.rows(user), {}))}'.encode()
            continue
        yield f',\n"{kind.name}": ['.encode()
        for number, row in enumerate(kind.rows(user)):
            yield f"{',' if number else ''}\n{_json(row)}".encode()
        yield b"]"
    yield b"}\n"


def _csv_chunks(user: User) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", _readme())
        for kind in KINDS:
            with archive.open(f"{kind.name}.csv", "w") as table:
                table.write(_line([field.name for field in kind.fields]))
                for row in kind.rows(user):
                    table.write(_line([_cell(value) for value in row.values()]))
                    yield from sink.taken()
            yield from sink.taken()
    yield from sink.taken()


def _line(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return _json(value).strip('"')


def _readme() -> str:
    tables = "\n".join(
        f"{kind.name}.csv: {_(kind.about)}\n"
        + "".join(f"    {field.name}: {_(field.meaning)}\n" for field in kind.fields)
        for kind in KINDS
    )
    return _(_README) % {"made_at": f"{timezone.now():%Y-%m-%d %H:%M} UTC", "tables": tables}


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


class _Sink(io.RawIOBase):
    """Takes what a zip file writes and hands it on; it cannot go back, which the zip format allows for."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def taken(self) -> Iterator[bytes]:
        """Yield what was written since the last time."""
        chunks, self._chunks = self._chunks, []
        if chunks:
            yield b"".join(chunks)


_FORMATS = {
    "json": ("application/json", "json", _json_chunks),
    "csv": ("application/zip", "zip", _csv_chunks),
}
SUFFIXES = tuple(_FORMATS)
