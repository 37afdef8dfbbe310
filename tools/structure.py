"""`python -m tools.structure`: the figures of the code base's structure that its tests hold.

Prints import circles, URL names that an app takes from a higher one, paths of audio files outside the storage module,
the modules at each app's root, and the files on the three walks of docs/concepts.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import grimp
import numpy as np
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parent.parent
APPS = ("catalog", "emotion", "recommender", "training", "mer_site")  # The lowest first.
_URL_NAME = re.compile(
    r"""(?:\{%\s*url\s+|\b(?:reverse|reverse_lazy|resolve_url|redirect)\(\s*)["']([a-z_]+):[a-z_]+["']"""
)
_WALK = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`((?:catalog|emotion|recommender|training|mer_site|static|templates)/[\w/]+\.\w+)`")


def import_circles() -> list[list[str]]:
    """Return the groups of siblings, modules or packages, that import one another in a circle."""
    graph = grimp.build_graph(*APPS)
    circles = []
    for parent in sorted(graph.modules):
        siblings = sorted(graph.find_children(parent))
        if len(siblings) < 2:
            continue
        place = {
            module: number
            for number, child in enumerate(siblings)
            for module in {child, *graph.find_descendants(child)}
        }
        imports = np.zeros((len(siblings), len(siblings)), dtype=bool)
        for module, number in place.items():
            for imported in graph.find_modules_directly_imported_by(module):
                imports[number, place.get(imported, number)] = True
        _, group = connected_components(imports, directed=True, connection="strong")
        circles += [
            [siblings[child] for child in np.flatnonzero(group == number)]
            for number in np.flatnonzero(np.bincount(group) > 1)
        ]
    return circles


def upward_url_names() -> list[str]:
    """Return `file: app` for every name of a URL that an app takes from a higher one."""
    found = []
    for height, app in enumerate(APPS[:-1]):
        higher = {*APPS[height + 1 :], "accounts"}
        for path in [*_python(app), *sorted((ROOT / "templates" / app).rglob("*.html"))]:
            names = _URL_NAME.findall(path.read_text())
            found += [f"{path.relative_to(ROOT)}: {name}" for name in names if name in higher]
    return found


def audio_paths() -> list[str]:
    """Return the files, other than the storage module, that ask a song for the path of its audio."""
    return [
        str(path.relative_to(ROOT))
        for app in APPS
        for path in _python(app)
        if ".audio.path" in path.read_text() and path != ROOT / "catalog" / "files" / "storage.py"
    ]


def root_modules() -> dict[str, int]:
    """Return how many modules lie at the root of each app."""
    return {app: sum(1 for path in (ROOT / app).glob("*.py") if path.name != "__init__.py") for app in APPS}


def walks() -> dict[str, list[str]]:
    """Return the files that docs/concepts.md names on each of its walks, in order, each once."""
    text = (ROOT / "docs" / "concepts.md").read_text()
    found = {title: list(dict.fromkeys(_FILE.findall(body))) for title, body in _WALK.findall(text)}
    return {title: files for title, files in found.items() if files}


def _python(app: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts)


def main() -> None:
    """Print every figure, and what it counts where that should be nothing."""
    for title, found in (
        ("import circles", [" <-> ".join(circle) for circle in import_circles()]),
        ("upward URL names", upward_url_names()),
        (".audio.path outside the storage module", audio_paths()),
    ):
        print(f"{title}: {len(found)}")
        print(*(f"    {one}" for one in found), sep="\n", end="\n" if found else "")
    for app, count in root_modules().items():
        print(f"modules at the root of {app}: {count}")
    for title, files in walks().items():
        print(f"files on the walk “{title}”: {len(files)}")


if __name__ == "__main__":
    main()
