"""A contestant as a process on a core of its own, and what the kernel says of it (Linux; elsewhere without pinning)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1


def pin(core: int, pid: int = 0) -> None:
    """Keep a process on one core where the system can and there are two."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 0 and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Contestant:
    """`command` is run with `environ` and expected to accept connections on `port`."""

    def __init__(self, name: str, command: Sequence[str], port: int, environ: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.port = port
        self._command = command
        # As a service manager would start it: nothing of the caller's shell, whose settings may cost start-up time.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        self._environ = {**kept, **(environ or {})}
        self._process: asyncio.subprocess.Process
        self.started_at = 0.0

    async def start(self) -> None:
        """Start and wait until the port answers."""
        self.started_at = time.perf_counter()
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environ, stdout=asyncio.subprocess.DEVNULL, preexec_fn=lambda: pin(SERVER_CORE)
        )
        async with asyncio.timeout(20):
            while not await self._answers():
                if self._process.returncode is not None:
                    raise RuntimeError(f"{self.name} ended with status {self._process.returncode}")
                await asyncio.sleep(0.002)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def pause(self) -> None:
        """Take no time until `go_on`, while others are measured on the same core."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Run again."""
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """End the process."""
        self.go_on()
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), 20)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def cpu_seconds(self) -> float:
        """User and system time so far; 0 where the system does not tell."""
        stat = self._proc("stat")
        if not stat:
            return 0.0
        fields = stat.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Resident memory now (`VmRSS`) or at most so far (`VmHWM`)."""
        for line in self._proc("status").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        return 0.0

    def _proc(self, name: str) -> str:
        path = Path(f"/proc/{self._process.pid}/{name}")
        return path.read_text() if path.exists() else ""


def python_module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of this tree."""
    return [sys.executable, "-m", name, *arguments]
