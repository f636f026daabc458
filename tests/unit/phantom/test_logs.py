"""The log pipeline: shape of a line, levels, library records, rate limits, and what it must not load."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx2._client
import pytest
import structlog

from phantom.logs import LONGEST_VALUE, LogLimiter, Redactor, configure


class FixedClock:
    """Stands still until told; the wall clock is a fixed instant."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> float:
        return 1_700_000_000.25 + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def started(**options: str) -> io.StringIO:
    stream = io.StringIO()
    logging.getLogger().handlers.clear()  # pytest's own raises on a bad record
    configure(redactor=Redactor(), stream=stream, clock=FixedClock(), **options)
    return stream


def test_a_line_is_one_json_object_with_utc_time_level_logger_event_and_keys() -> None:
    log = structlog.get_logger("phantom.test")
    stream = started()
    log.info("thing_happened", channel="slack", count=3, nested={"a": [1, None, True]})
    assert lines(stream) == [
        {
            "timestamp": "2023-11-14T22:13:20.250+00:00",
            "level": "info",
            "logger": "phantom.test",
            "event": "thing_happened",
            "channel": "slack",
            "count": 3,
            "nested": {"a": [1, None, True]},
        }
    ]


def test_a_logger_made_before_configure_follows_the_last_configure() -> None:
    log = structlog.get_logger("early")
    first, second = started(), started()
    log.info("where")
    assert first.getvalue() == ""
    assert lines(second)[0]["event"] == "where"


def test_the_level_holds_for_phantom_and_for_libraries() -> None:
    stream = started(level="warning")
    structlog.get_logger("x").info("not_shown")
    logging.getLogger("some.library").info("not shown")
    structlog.get_logger("x").error("shown")
    logging.getLogger("some.library").warning("shown %s", "too")
    assert [line["event"] for line in lines(stream)] == ["shown", "shown too"]


def test_debug_does_not_open_the_debug_lines_of_libraries_which_carry_bodies() -> None:
    stream = started(level="debug")
    logging.getLogger("slack_sdk.web").debug("body")
    logging.getLogger("slack_sdk.web").info("also chatter")
    logging.getLogger("some.library").debug("body")
    structlog.get_logger("x").debug("ours")
    assert [line["event"] for line in lines(stream)] == ["ours"]


def test_configuring_again_does_not_double_library_lines() -> None:
    started()
    stream = started()
    logging.getLogger("some.library").warning("once")
    assert len(lines(stream)) == 1


def test_a_library_record_that_does_not_fit_its_arguments_is_still_written() -> None:
    stream = started()
    logging.getLogger("some.library").warning(*["%d of %d", "one"])
    assert lines(stream)[0]["event"] == "%d of %d"


def test_requests_of_a_models_client_are_no_news() -> None:
    stream = started()
    of_client = httpx2._client.logger  # where the client keeps it: a new version may call it otherwise
    of_client.info("HTTP Request: POST https://models.example.com")
    of_client.warning("kept")
    assert [line["event"] for line in lines(stream)] == ["kept"]


def test_a_warning_becomes_a_line() -> None:
    stream = started()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    assert any("old thing" in str(line["event"]) for line in lines(stream))


def test_an_exception_is_a_traceback_under_its_own_key() -> None:
    stream = started()

    def fail() -> None:
        raise ValueError("inner") from KeyError("outer")

    try:
        fail()
    except ValueError as error:
        structlog.get_logger("x").exception("went_wrong")
        structlog.get_logger("x").error("went_wrong", exc_info=error)
    for line in lines(stream):
        assert line["level"] == "error"
        assert "ValueError: inner" in str(line["exception"])
        assert "KeyError: 'outer'" in str(line["exception"])


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_odd_values_never_stop_a_line(log_format: str) -> None:
    loop: list[object] = []
    loop.append(loop)
    stream = started(log_format=log_format)
    structlog.get_logger("x").info(
        "odd",
        surrogate="\ud800",
        big=2**80,
        infinite=float("inf"),
        loop=loop,
        raw=b"\xff",
        path=Path("/a"),
        odd={1: {2}},
    )
    assert "odd" in stream.getvalue()
    assert "\\ud800" in stream.getvalue()


def test_a_callers_key_does_not_displace_ours() -> None:
    stream = started()
    structlog.get_logger("x").info("e", level="mine", timestamp="mine")
    assert lines(stream)[0]["level"] == "info"
    assert lines(stream)[0]["level_"] == "mine"


def test_a_huge_value_is_cut() -> None:
    stream = started()
    structlog.get_logger("x").info("big", text="x" * 100_000)
    assert len(stream.getvalue()) < LONGEST_VALUE + 300
    assert "more characters" in stream.getvalue()


def test_console_lines_cannot_be_forged_or_move_the_cursor() -> None:
    stream = started(log_format="console")
    structlog.get_logger("x").info("said", text="a\n00:00:00 error forged\x1b[2J", plain="word", empty="")
    (line,) = stream.getvalue().splitlines()
    assert "\x1b" not in line
    assert "plain=word" in line
    assert "empty=''" in line
    assert line.startswith("22:13:20 info     said  ")


def test_a_console_exception_keeps_its_lines() -> None:
    stream = started(log_format="console")
    structlog.get_logger("x").error("broke", exc_info=ValueError("bad\x1b[0m"))
    assert stream.getvalue().splitlines()[-1] == "ValueError: bad\\x1b[0m"


def test_auto_is_json_where_nobody_watches() -> None:
    stream = started(log_format="auto")
    structlog.get_logger("x").info("e")
    assert lines(stream)[0]["event"] == "e"


def test_a_closed_log_does_not_stop_the_caller() -> None:
    stream = started()
    stream.close()
    structlog.get_logger("x").info("into_the_void")


def test_logging_does_not_load_rich_and_leaves_it_importable() -> None:
    code = (
        "import phantom.logs, structlog, sys\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('rich', 'pygments')]\n"
        "import rich.console\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_a_limited_line_comes_once_per_interval_and_counts_what_it_kept_back() -> None:
    clock = FixedClock()
    limiter = LogLimiter(clock)
    assert [limiter.once_per(10, "k") for _ in range(5)] == [True, False, False, False, False]
    assert limiter.once_per(10, "other")
    clock.elapsed = 9.9
    assert not limiter.once_per(10, "k")
    clock.elapsed = 10
    assert limiter.once_per(10, "k")
    assert limiter.held_back("k") == 5
    assert limiter.held_back("k") == 0


def test_a_limiter_forgets_its_oldest_keys() -> None:
    limiter = LogLimiter(FixedClock(), keys=2)
    assert all(limiter.once_per(10, key) for key in "abc")
    assert limiter.once_per(10, "a")
    assert not limiter.once_per(10, "c")
