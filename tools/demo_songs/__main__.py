"""`python -m tools.demo_songs`: render the demo songs, check that they can be repeated, or measure their cues."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.demo_songs.measure import measure_pieces
from tools.demo_songs.render import differences, render_pieces

_ASSETS = Path(__file__).resolve().parent.parent.parent / "catalog" / "demo"


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_songs", description=__doc__)
    parser.add_argument("--out", type=Path, default=_ASSETS, metavar="DIR", help="the songs' folder (catalog/demo)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="render elsewhere and compare with the manifest in DIR")
    instead.add_argument("--measure", action="store_true", help="print the cues of the songs in DIR")
    options = parser.parse_args()
    if options.measure:
        print(measure_pieces(options.out))
    elif options.check:
        with TemporaryDirectory() as elsewhere:
            found = list(differences(options.out, render_pieces(Path(elsewhere))))
        sys.exit("\n".join(found) or None)
    else:
        entries = render_pieces(options.out)
        size = sum((options.out / entry["file"]).stat().st_size for entry in entries)
        print(f"{len(entries)} songs, {sum(e['seconds'] for e in entries):.0f} s, {size / 1e6:.1f} MB in {options.out}")


if __name__ == "__main__":
    main()
