"""The frame around every command: an error becomes one clear line and an exit status, with secrets masked.

Exit statuses: 0 done; 1 failed; 2 wrong usage; 3 `status` found no daemon; 78 (EX_CONFIG) a setting is wrong;
130 interrupted. What does *not* live here: what the commands do.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from phantom.errors import EX_CONFIG, ConfigError, PhantomError
from phantom.process_guard import mask_crashes, masked_errors
from phantom.redaction import Redactor

FAILED = 1
NO_DAEMON = 3
INTERRUPTED = 130

redactor = Redactor()
"""Masks whatever a command prints about errors. It knows the environment from the start; a command that loads the
configuration lets it watch the live secrets too."""


def framed(action: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Run a command and turn what it raises into lines on standard error and an exit status."""
    redactor.remember_environment(os.environ)
    mask_crashes(redactor)
    with masked_errors(redactor):
        return _caught(action, arguments)


def _caught(action: Callable[[list[str]], int], arguments: list[str]) -> int:
    debug = "--debug" in arguments
    try:
        return _flushed(action([argument for argument in arguments if argument != "--debug"]))
    except ConfigError as error:
        return _told(error, EX_CONFIG, debug)
    except PhantomError as error:
        return _told(error, FAILED, debug)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) left: not an error, and nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - the CLI frame, one of the three places where everything is caught
        _say(f"internal error: {type(error).__name__}: {error}", "run it again with --debug and report the traceback")
        _trace(error, debug)
        return FAILED


def _flushed(status: int) -> int:
    """Nothing is left for the interpreter to write at exit, where it would complain of a reader that left."""
    sys.stdout.flush()
    return status


def _told(error: PhantomError, status: int, debug: bool) -> int:
    singles = getattr(error, "errors", None)
    for single in singles if isinstance(singles, tuple) else (error,):
        where = f"{single.where}: " if isinstance(single, ConfigError) and single.where else ""
        _say(f"{where}{single.message}", single.hint)
    _trace(error, debug)
    return status


def _say(what: str, cure: str) -> None:
    print(redactor.clean(f"phantom: {what}" + (f" — {cure}" if cure else "")), file=sys.stderr)


def _trace(error: BaseException, debug: bool) -> None:
    if debug:
        print(redactor.clean("".join(traceback.format_exception(error))), end="", file=sys.stderr)
