"""Starts the suite's daemons from a process that has imported them already (`preload_server.py`).

`install` makes every `DaemonProcess` of this test process do so, unless it asks for something that only a fresh Python
has: another command, something done before it begins, variables that are read while modules are imported.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from phantom.testing.daemon_process import START, DaemonProcess

SERVER = Path(__file__).with_name("preload_server.py")
AT_IMPORT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "PHANTOM_TURNS_DATABASE")
"""Read while modules are imported: with another value than here, or with one at all, a fresh Python is needed."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE")
_LIMIT = 1 << 22
_INT = struct.calcsize("i")


class Forked:
    """A daemon; as much of `asyncio.subprocess.Process` as `DaemonProcess` uses."""

    def __init__(self, pid: int, status: int, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout, self.stderr = stdout, stderr
        self._status = status
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(status, self._read_status)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def _read_status(self) -> None:
        said = os.read(self._status, _INT)
        self._loop.remove_reader(self._status)
        os.close(self._status)
        # No word: whoever minds it was killed, and so it was.
        self.returncode = struct.unpack("i", said)[0] if len(said) == _INT else -9
        self._ended.set()


class Preloaded:
    """The process that forks, begun when the first daemon is wanted; it ends with this one."""

    def __init__(self) -> None:
        self._requests: socket.socket | None = None

    async def launch(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> Forked | None:
        """A daemon, or None where a fresh Python is needed."""
        if tuple(argv) != START or not _same_at_import(env):
            return None
        requests = self._requests = self._requests or _begun()
        out, stdout = os.pipe()
        err, stderr = os.pipe()
        told, status = os.pipe()
        request = {"argv": ["phantom", *argv[3:]], "env": dict(env), "cwd": str(cwd or Path.cwd())}
        socket.send_fds(requests, [orjson.dumps(request)], [stdout, stderr, status])
        for file in (stdout, stderr, status):
            os.close(file)
        said = await asyncio.to_thread(os.read, told, _INT)  # the first one waits for all the imports
        pid = struct.unpack("i", said)[0] if len(said) == _INT else 0
        if pid <= 0:
            raise RuntimeError("the process that makes daemons has ended; its stderr says why")
        return Forked(pid, told, await _stream(out), await _stream(err))


def install() -> None:
    """From now on, in this process."""
    DaemonProcess.launch = Preloaded().launch


def _same_at_import(env: Mapping[str, str]) -> bool:
    return all(env.get(name) == (os.environ.get(name) if name in _KEPT else None) for name in AT_IMPORT)


def _begun() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    subprocess.Popen(
        [sys.executable, "-P", str(SERVER), str(theirs.fileno())],
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        pass_fds=(theirs.fileno(),),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    theirs.close()
    return ours


async def _stream(file: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=_LIMIT)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(file, "rb"))
    return reader
