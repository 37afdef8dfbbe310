"""Find a Chromium for the browser tests, or get one: run as a script by `make test`, imported by the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> Path | None:
    """Return the Chromium to test with: $CHROMIUM, one on the PATH, or Playwright's own."""
    if named := os.environ.get("CHROMIUM"):
        return Path(named) if Path(named).is_file() else None
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    return _playwrights_own()


def _playwrights_own() -> Path | None:
    # In a separate process: Playwright's loop would stay in the importing one.
    script = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    path = Path(answer.stdout.strip() or "/nowhere")
    return path if path.is_file() else None


def chromium_install() -> Path | None:
    """Download Playwright's Chromium, else install the system's package as root; return it if either worked."""
    _attempt([sys.executable, "-m", "playwright", "install", "chromium"])
    if chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _attempt(["apt-get", "update", "-qq"])
        _attempt(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"])
    return chromium()


def _attempt(argv: list[str]) -> None:
    print(f"Trying: {' '.join(argv)}", flush=True)
    subprocess.run(argv, check=False)


def main() -> int:
    """Say which Chromium the tests will use, and fail with a sentence when there is none."""
    if named := os.environ.get("CHROMIUM"):
        if not Path(named).is_file():
            print(f"CHROMIUM names {named}, and there is no such file.", file=sys.stderr)
            return 1
    elif chromium() is None and chromium_install() is None:
        print(
            "No Chromium was found, neither Playwright's download nor apt worked. Install one and set CHROMIUM "
            "to its path; without it the browser tests cannot run.",
            file=sys.stderr,
        )
        return 1
    print(f"Browser tests use {chromium()}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
