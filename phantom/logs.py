"""How Phantom logs: one structlog pipeline for its own lines and for every library's, with secrets masked.

JSON lines for machines, `key=value` text on a terminal; to standard error. Call sites write
`structlog.get_logger(__name__).info("snake_case_event", key=value)` and never a body, a token or a signature.
What does *not* live here: what counts as a secret (`redaction.py`).
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import orjson

from phantom.clock import Clock, SystemClock
from phantom.redaction import Redactor


@contextmanager
def _without_rich() -> Iterator[None]:
    """structlog imports rich when it finds it, for a traceback style that is not used here: 5 MB and 50 ms for nothing.

    This module is imported before anything else that wants structlog (`phantom.cli`), so it decides.
    """
    if "structlog" in sys.modules:
        yield
        return
    loaded = sys.modules.get("rich")
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["rich"]
        if loaded is not None:
            sys.modules["rich"] = loaded


with _without_rich():
    import structlog

__all__ = ["LogLimiter", "Redactor", "configure", "render_console", "render_json"]

LONGEST_VALUE = 8192
"""Characters of one value; a longer one is cut, after masking."""

_PLAIN = frozenset({float, bool, type(None)})
_EXACT = 2**53
"""A greater whole number is written as text: readers of JSON would round it."""

_QUIET = (
    *("aiohttp.access", "aiohttp.server", "asyncio", "slack_bolt", "slack_sdk"),
    *("dbos", "httpx", "httpx2", "openai", "anthropic"),
)
_INDEPENDENT = ("dbos",)
"""Loggers that, finding no handler, would install one of their own, which writes past us. They get ours first."""
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}
_Event = MutableMapping[str, Any]
Render = Callable[[_Event], str]


def configure(
    *,
    redactor: Redactor,
    level: str = "info",
    log_format: str = "auto",
    stream: TextIO | None = None,
    clock: Clock | None = None,
) -> None:
    """Set up logging for the process. `level`: debug, info, warning, error. `log_format`: json, console, auto (console
    on a terminal). Safe to call again: the last call wins. Libraries are never more talkative than `info`, since
    their debug lines carry message bodies, and the known noisy ones speak from `warning` on.
    """
    # Lines are masked here; a stream that masks what others print (`process_guard.py`) need not do it again.
    stream = stream or cast(TextIO, getattr(sys.stderr, "plain", sys.stderr))
    tty = stream.isatty()
    console = log_format == "console" or (log_format == "auto" and tty)
    render: Render = (lambda event: render_console(event, colour=tty)) if console else render_json
    pipeline = _Pipeline(redactor, clock or SystemClock(), render, stream)
    number = _LEVELS.get(level, logging.INFO)  # a wrong word is the configuration's to refuse, in a line of ours
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, pipeline.process],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *names: _Writer(str(names[0]) if names else "phantom", pipeline.write),
        # Loggers made at import time must follow a later configure().
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    _hand_over(root, pipeline)
    for name in _INDEPENDENT:
        _hand_over(logging.getLogger(name), pipeline)
        logging.getLogger(name).propagate = False
    root.setLevel(max(number, logging.INFO))
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    logging.captureWarnings(True)


def _hand_over(logger: logging.Logger, pipeline: _Pipeline) -> None:
    for handler in [old for old in logger.handlers if isinstance(old, _LibraryHandler)]:
        logger.removeHandler(handler)
    logger.addHandler(_LibraryHandler(pipeline))


class _Pipeline:
    """Stamp, mask, render, write: the same for structlog's events and for library records."""

    def __init__(self, redactor: Redactor, clock: Clock, render: Render, stream: TextIO) -> None:
        self._redactor = redactor
        self._clock = clock
        self._render = render
        self._stream = stream

    def process(self, logger: Any, method: str, event: _Event) -> str:
        """structlog processor. Takes `exc_info` away and puts a masked traceback under `exception`."""
        level = {"warn": "warning", "exception": "error", "fatal": "critical"}.get(method, method)
        return self.line(level, logger.name, event)

    def line(self, level: str, name: str, event: _Event) -> str:
        """One rendered line, without the newline."""
        failure = _exception_of(event.pop("exc_info", None))
        if failure is not None:
            event["exception"] = "".join(traceback.format_exception(failure)).rstrip()
        clean = self._cleaner(name, event)
        shown: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "logger": clean(name),
            "event": _bounded(clean(event.pop("event", ""))),
        }
        for key, value in event.items():
            key = str(clean(key))
            # A caller's key never displaces one of ours.
            shown[f"{key}_" if key in shown else key] = _bounded(clean(value))
        return self._render(shown)

    def _cleaner(self, name: str, event: _Event) -> Callable[[object], object]:
        """What each key and value has to go through: nothing, where a look at all of them at once found nothing. A line
        of plain values without a secret, which nearly all are, costs two looks instead of one for each value. The
        second is at the values alone: a secret may have been cut in pieces and given to several of them.
        """
        texts, values = [name], []
        for key, value in event.items():
            kind = type(value)
            if kind is str:
                texts.append(value)
                values.append(value)
            elif kind is int and abs(value) < _EXACT:
                texts.append(str(value))
            elif kind not in _PLAIN:
                return self._redactor.clean_value
            texts.append(key)
        if len(values) > 1 and self._redactor.holds("".join(values)):
            return self._clean_piece
        return _as_is if self._redactor.is_clean("\n".join(texts)) else self._redactor.clean_value

    def _clean_piece(self, value: object) -> object:
        redactor = self._redactor
        return redactor.inspect(value, whole=False).text if isinstance(value, str) else redactor.clean_value(value)

    def write(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # The reader of our log went away, or the stream is closed at exit: the daemon outlives its log.
            return


class _Writer:
    """What structlog calls a logger: every level ends in one write."""

    def __init__(self, name: str, write: Callable[[str], None]) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.warn = write
        self.error = self.critical = self.fatal = self.exception = self.msg = self.log = write


class _LibraryHandler(logging.Handler):
    """Carries the standard library's log records, and so every dependency's, into the same pipeline."""

    def __init__(self, pipeline: _Pipeline) -> None:
        super().__init__()
        self._pipeline = pipeline

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)  # a library's format string does not fit its arguments
        event: _Event = {"event": message, "exc_info": record.exc_info}
        self._pipeline.write(self._pipeline.line(record.levelname.lower(), record.name, event))


def _as_is(value: object) -> object:
    return value


def _exception_of(info: object) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if isinstance(info[1], BaseException) else None
    return sys.exc_info()[1] if info else None


def _bounded(value: object) -> object:
    if not isinstance(value, str) or len(value) <= LONGEST_VALUE:
        return value
    return f"{value[:LONGEST_VALUE]}… ({len(value) - LONGEST_VALUE} more characters)"


def render_json(event: _Event) -> str:
    """One JSON object a line; lone surrogates, which UTF-8 cannot hold, come out escaped."""
    try:
        return orjson.dumps(event).decode()
    except orjson.JSONEncodeError:
        return orjson.dumps(_printable(event)).decode()


def render_console(event: _Event, *, colour: bool = False) -> str:
    """`12:00:01 warning  event_name  key=value …`, an exception on lines of its own; nothing can move the cursor."""
    event = dict(event)
    stamp, level, name = event.pop("timestamp"), event.pop("level"), event.pop("logger")
    headline, trace = event.pop("event"), event.pop("exception", None)
    fields = " ".join(f"{_word(key)}={_word(value)}" for key, value in event.items())
    head = f"{level:<8}"
    if colour:
        head = f"\x1b[{_COLOURS.get(level, '0')}m{head}\x1b[0m"
    line = f"{str(stamp)[11:19]} {head} {_sentence(headline)}  {fields}".rstrip() + f"  [{_word(name)}]"
    return line if trace is None else line + "\n" + "\n".join(_sentence(row) for row in str(trace).splitlines())


def _word(value: object) -> str:
    text = value if isinstance(value, str) else orjson.dumps(_printable(value)).decode()
    plain = text.isprintable() and text and not any(mark in text for mark in " =\"'")
    return text if plain else repr(text)


def _sentence(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _printable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, MutableMapping):
        return {str(_printable(key)): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


class LogLimiter:
    """Lets a line that could come thousands of times a second through once in a while."""

    def __init__(self, clock: Clock, *, keys: int = 1024) -> None:
        self._clock = clock
        self._keys = keys
        self._last: dict[Hashable, float] = {}
        self._held: dict[Hashable, int] = {}

    def once_per(self, seconds: float, key: Hashable) -> bool:
        """True when the line named `key` should be written now: the first time, then once per `seconds`."""
        now = self._clock.monotonic()
        last = self._last.get(key)
        if last is not None and now - last < seconds:
            self._held[key] = self._held.get(key, 0) + 1
            return False
        self._last.pop(key, None)  # newest at the end, so that the oldest key is forgotten first
        self._last[key] = now
        if len(self._last) > self._keys:
            oldest = next(iter(self._last))
            del self._last[oldest]
            self._held.pop(oldest, None)
        return True

    def held_back(self, key: Hashable) -> int:
        """How many lines named `key` were kept back since this was last asked."""
        return self._held.pop(key, 0)
