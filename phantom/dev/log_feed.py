"""Where the daemon's log lines go: all of them to the page, only the grave ones to the terminal."""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, TextIO, cast

import orjson

from phantom import logs
from phantom.redaction import Redactor

LEVELS = ("debug", "info", "warning", "error", "critical")
KEPT = 300
"""Lines that a page which is opened later still gets."""


class LogFeed(io.TextIOBase):
    """The stream that logging writes to: JSON lines in, shown lines out.

    `level` is the least severe level that the terminal shows; the page gets `info` and more, or `debug` where asked.
    """

    def __init__(self, level: str, terminal: TextIO | None = None) -> None:
        super().__init__()
        self._from = LEVELS.index(level)
        self._terminal = terminal or sys.stderr
        self.lines: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.on_line: Callable[[dict[str, Any]], None] = lambda line: None

    def configure(self, redactor: Redactor) -> None:
        """Send the whole process's logging here."""
        level = "debug" if self._from == 0 else "info"
        logs.configure(redactor=redactor, level=level, log_format="json", stream=cast(TextIO, self))

    def write(self, text: str) -> int:
        """One line of JSON, as the pipeline of `phantom.logs` writes it."""
        event: dict[str, Any] = orjson.loads(text)
        self.lines.append(event)
        self.on_line(event)
        if LEVELS.index(str(event["level"])) >= self._from:
            self._terminal.write(logs.render_console(event, colour=self._terminal.isatty()) + "\n")
            self._terminal.flush()
        return len(text)
