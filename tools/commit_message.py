"""`python -m tools.commit_message FILE`: refuse a commit message that does not follow CONTRIBUTING.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_SUBJECT = re.compile(r"[a-z0-9_/-]+: [A-Z].*\.")
_SUBJECT_LIMIT = 72


def problems(message: str) -> list[str]:
    """Return what is wrong with a message, a sentence each; comment lines do not count."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if subject.startswith(("Merge ", "Revert ", "fixup! ", "squash! ")):
        return []
    found = []
    if not _SUBJECT.fullmatch(subject):
        found.append("The subject must read `area: Imperative sentence.`")
    if len(subject) > _SUBJECT_LIMIT:
        found.append(f"The subject has {len(subject)} characters; the limit is {_SUBJECT_LIMIT}.")
    if len(lines) > 1 and lines[1].strip():
        found.append("A blank line must follow the subject.")
    if not any(line.strip() for line in lines[2:]):
        found.append("A body must say why.")
    return found


def main() -> None:
    """Read the message from the file that git names; exit with 1 if it is refused."""
    found = problems(Path(sys.argv[1]).read_text())
    for problem in found:
        print(problem, file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
