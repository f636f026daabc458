"""Makes daemons quickly: a process that has imported what a daemon imports, and becomes one in a fork of itself.

Starting Python and importing costs two thirds of what a daemon's start costs, and the suite starts hundreds. A fork
has a process id, a session, files and an environment of its own, can be killed and leaves nothing: to a test it is
`python -m phantom start`. What a fork would not show (a module missing at the start, what an import costs) is seen by
the tests of the commands, the proofs and the benchmarks, which start Python each time.

Protocol, over a SOCK_SEQPACKET socket whose number is the only argument: for each daemon one JSON object
`{argv, env, cwd}` with three file descriptors: its stdout, its stderr, and a pipe for its process id (once it has a
session of its own: before that, there is no such group to be killed) and, when it has ended, its return code (two
native ints; negative: the signal). What does *not* live here: the other end (`preloaded.py`).
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import struct
import sys
import threading
import time
from typing import Any

import orjson

MODULES = (
    "phantom.logs",  # first, so that structlog comes without rich
    "phantom.service",
    "phantom.daemon",
    "phantom.cli.frame",
    "phantom.cli.start",
    "phantom.bridge_host",
    "channels.slack",
    "channels.slack.channel",
    "channels.discord",
    "channels.discord.channel",
    "channels.discord.gateway_client",
    "channels.webhook",
    "config.inventory_keeper",
    "uvloop",
)


def preload() -> None:
    """Import it all, the engine of turns as a daemon on SQLite does."""
    from phantom.lean_imports import deferred

    for name in MODULES:
        importlib.import_module(name)
    with deferred("psycopg"):
        importlib.import_module("phantom.turns")


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Answer requests until there are no more: None. In a fork: what that one is to become."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the minders
    while True:
        message, (*files,), _, _ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:
            return None
        if os.fork() == 0:
            requests.close()
            return _minded(orjson.loads(message), *files)
        for file in files:
            os.close(file)


def _minded(request: dict[str, Any], stdout: int, stderr: int, status: int) -> dict[str, Any]:
    """In the minder, which waits for the daemon and says how it ended. Returns in the daemon only."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    daemon = os.fork()
    if daemon == 0:
        _own(stdout, stderr)
        os.write(status, struct.pack("i", os.getpid()))
        os.close(status)
        return request
    os.close(stdout)
    os.close(stderr)
    _, ended = os.waitpid(daemon, 0)
    os.write(status, struct.pack("i", os.waitstatus_to_exitcode(ended)))
    os._exit(0)


def _own(stdout: int, stderr: int) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for file, number in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(file, number)
        os.close(file)


def become(request: dict[str, Any], own_path: list[str]) -> None:
    """Take its environment, folder and arguments, as a fresh Python would."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    given = [part for part in request["env"].get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.path[:] = [request["cwd"], *given, *own_path]
    importlib.invalidate_caches()
    sys.argv = request["argv"]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]


def main() -> None:
    """Serve; in a fork, be the daemon."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    own_path = list(sys.path)
    preload()
    if threading.active_count() > 1:
        sys.exit("an import began a thread, which a fork would not have")
    gc.freeze()
    request = serve(requests)
    if request is not None:
        gc.unfreeze()
        become(request, own_path)
        from phantom.cli import main as phantom

        phantom()


if __name__ == "__main__":
    main()
