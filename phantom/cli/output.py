"""What commands print: findings and tables on a terminal, the same facts as JSON elsewhere. Everything is masked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.text import Text

from phantom.cli.frame import redactor
from phantom.findings import Level

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked: what was seen, and the cure unless it is fine."""

    check: str
    level: Level
    seen: str
    cure: str = ""


def plain(text: str) -> str:
    """Masked, and without anything that moves a terminal's cursor or breaks a line."""
    return "".join(char if char.isprintable() else " " for char in redactor.clean(text))


def print_json(value: object) -> None:
    """Masked JSON."""
    print(json.dumps(redactor.clean_value(value), indent=2, ensure_ascii=False))


def print_findings(findings: Iterable[Finding], *, as_json: bool) -> None:
    """Each finding on a line, its cure below it."""
    listed = list(findings)
    if as_json:
        print_json([{**asdict(finding), "level": finding.level.value} for finding in listed])
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)
    width = max((len(finding.check) for finding in listed), default=0)
    for finding in listed:
        line = Text(f"{finding.level.value:<5}", style=_STYLES[finding.level])
        line.append(f" {plain(finding.check):<{width}}  {plain(finding.seen)}", style="default")
        console.print(line)
        if finding.cure:
            console.print(Text(f"{'':<{width + 8}}→ {plain(finding.cure)}", style="cyan"))


def print_rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Aligned columns; never wrapped, so that lines can be searched and pasted."""
    table = [tuple(plain(cell) for cell in row) for row in rows]
    widths = [max(len(heading), *(min(len(row[n]), 60) for row in table)) if table else len(heading)
              for n, heading in enumerate(headings)]  # fmt: skip
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(Text(_line(headings, widths), style="bold"))
    for row in table:
        console.print(Text(_line(row, widths)))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
