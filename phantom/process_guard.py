"""What a process that holds secrets does first: leaves no core dump, and lets nothing it prints go unmasked.

    no_core_dumps()             memory never reaches a disk, and other processes of the same user cannot read it
    mask_crashes(redactor)      tracebacks of last resort: uncaught, in threads, in destructors
    masked_output(redactor)     whatever a library or a tool prints, line by line
    forget_variables(environ, redactor)   children do not inherit what is Phantom's own

There is no setting for any of it. What does *not* live here: logging (`logs.py`), what a value looks like when masked
(`redaction.py`).
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import threading
import traceback
from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import TYPE_CHECKING, TextIO, cast

from phantom.redaction import MASK, Redactor, names_a_secret

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_PR_SET_DUMPABLE = 4
"""https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html"""
_LONGEST_LINE = 1 << 20
_OURS = re.compile(r"(?:SLACK|DISCORD|PHANTOM|WEBHOOK|BRIDGE|ARCHIVE|DATABASE)_")
_PASSWORD = re.compile(r"://[^\s/@]*:[^\s/@]+@")
"""Part of an address."""


def no_core_dumps() -> None:
    """No core file, not even one piped to a crash reporter; on Linux also no reading through /proc or ptrace by others
    of the same user. A child that runs another program can be looked at again; it has no memory of ours.
    """
    import resource

    with contextlib.suppress(ValueError, OSError):  # a lower hard limit is as good
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        # A kernel that refuses leaves the limit above; nothing better can be done.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def mask_crashes(redactor: Redactor) -> None:
    """Mask what Python prints by itself when nobody caught an error. Warnings and asyncio's complaints go through the
    log anyway; faulthandler prints names of functions only.
    """

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _print(redactor, "".join(traceback.format_exception(kind, error, trace)))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is SystemExit:
            return
        name = args.thread.name if args.thread is not None else "?"
        lines = traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
        _print(redactor, f"Exception in thread {name}:\n" + "".join(lines))

    def unraisable(args: UnraisableHookArgs) -> None:
        lines = traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
        what = args.err_msg or "Exception ignored in"
        _print(redactor, f"{what}: {args.object!r}\n" + "".join(lines))

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable


def _print(redactor: Redactor, text: str) -> None:
    stream = sys.stderr
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.write(redactor.clean(text))
            stream.flush()


class MaskedStream(io.TextIOBase):
    """A text stream that masks before anything reaches `plain`. A line without an end waits for `flush`, and lines in
    which a secret may have begun wait for what follows.
    """

    def __init__(self, plain: TextIO, redactor: Redactor) -> None:
        super().__init__()
        self.plain = plain
        self._redactor = redactor
        self._waiting = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        with self._lock:
            whole, end, rest = (self._waiting + text).rpartition("\n")
            self._waiting = self._let_out(whole + end) + rest
            if len(self._waiting) > _LONGEST_LINE:
                self._let_out_all()
        return len(text)

    def flush(self) -> None:
        with self._lock:
            self._waiting = self._let_out(self._waiting)
        self.plain.flush()

    def finish(self) -> None:
        """Let everything out: nothing follows."""
        with self._lock:
            self._let_out_all()
        self.plain.flush()

    def _let_out(self, text: str) -> str:
        """Write what can be shown; what cannot yet."""
        if not text:
            return ""
        shown, held = self._redactor.settled(text)
        self.plain.write(shown)
        return held

    def _let_out_all(self) -> None:
        rest, self._waiting = self._waiting, ""
        self.plain.write(self._redactor.inspect(rest, whole=False).text)

    def isatty(self) -> bool:
        return self.plain.isatty()

    def fileno(self) -> int:
        return self.plain.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.plain.encoding


@contextlib.contextmanager
def masked_output(redactor: Redactor) -> Iterator[None]:
    """Mask what anything in this process prints to standard output and standard error, until the end of the block."""
    before = sys.stdout, sys.stderr
    masked = [MaskedStream(getattr(stream, "plain", stream), redactor) for stream in before]
    sys.stdout, sys.stderr = (cast(TextIO, stream) for stream in masked)
    try:
        yield
    finally:
        for stream in masked:
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
                stream.finish()
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def masked_errors(redactor: Redactor) -> Iterator[None]:
    """The same for standard error alone: what a command prints may be the very secret that was asked for."""
    before, masked = sys.stderr, MaskedStream(sys.stderr, redactor)
    sys.stderr = cast(TextIO, masked)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            masked.finish()
        sys.stderr = before


def forget_variables(environ: MutableMapping[str, str], redactor: Redactor) -> tuple[str, ...]:
    """Take Phantom's own secrets out of `environ` (the process's), so that tools and their children neither see nor
    inherit them; whoever needs one has a handle. A secret is told by the variable's name, by a password in an address,
    or by being one that `redactor` knows, whatever its variable is called. Variables that are not Phantom's, and model
    keys, which SDKs look up by themselves, stay. Returns the names.
    """

    def secret(name: str, value: str) -> bool:
        if names_a_secret(name) or _PASSWORD.search(value):
            return True
        return redactor.inspect(value, shapes="none").text == MASK

    ours = tuple(name for name, value in environ.items() if _OURS.match(name) and secret(name, value))
    for name in ours:
        del environ[name]
    return ours
