"""Checks that every relative link and anchor in the Markdown pages leads somewhere. Asks no network."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)>\s]+)>?[^)]*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$", re.MULTILINE)


def pages(root: Path) -> list[Path]:
    """The Markdown of the project, without what tools put there."""
    found = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "examples").rglob("*.md")]
    return sorted(found)


def slug(heading: str) -> str:
    """The anchor that a forge gives a heading."""
    text = re.sub(r"[`*_\[\]]|\(.*?\)", lambda mark: "" if len(mark.group()) == 1 else mark.group(), heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def broken(page: Path, root: Path) -> list[str]:
    """One line for each link of a page that leads nowhere."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = []
    for target in _LINK.findall(_CODE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        goal = (page.parent / name).resolve() if name else page
        if not goal.exists() or not goal.is_relative_to(root):
            found.append(f"{page.relative_to(root)}: {target} does not exist")
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal):
            found.append(f"{page.relative_to(root)}: {target} has no such heading")
    return found


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    return {slug(heading) for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))}


def main() -> int:
    """1 when a link is broken."""
    found = [line for page in pages(ROOT) for line in broken(page, ROOT)]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
