"""Running the real `phantom` command in a process of its own, away from the caller's environment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from phantom.testing.hunt_record import leave, leave_secrets, secrets_in

COMMAND = (sys.executable, "-m", "phantom")
_OURS = (
    "PHANTOM_",
    "SLACK_",
    "OWNER_",
    "ANTHROPIC_",
    "OPENAI_",
    "OPENROUTER_",
    "DISCORD_",
    "METADATA_",
    "PORT",
    "LOG_",
    "SECRET_",
    "ENCRYPTION_",
    "WEBHOOK_",
)
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
PATIENCE = 30.0


def phantom(*arguments: str, cwd: Path, status: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and check its exit status."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**CLEAN, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    leave("commands", f"{done.stdout}\n{done.stderr}")
    leave_secrets(secrets_in(environ))
    assert done.returncode == status, f"exit {done.returncode}, not {status}:\n{done.stdout}{done.stderr}"
    return done


class Running:
    """A daemon in the foreground of its own process. `lines` grows with every log line it writes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        stderr = self.process.stderr
        assert stderr is not None
        while line := await stderr.readline():
            self.lines.append(line.decode())
            async with self._news:
                self._news.notify_all()

    async def line(self, *words: str) -> str:
        """The first log line that holds all the words, waiting for it."""
        async with asyncio.timeout(PATIENCE), self._news:
            while not (found := [line for line in self.lines if all(word in line for word in words)]):
                if self.process.returncode is not None:
                    raise AssertionError(f"it ended without saying {words}:\n{''.join(self.lines)}")
                await self._news.wait()
        return found[0]

    async def port(self) -> int:
        """The port it listens on (JSON logs only)."""
        return int(json.loads(await self.line('"listening"'))["port"])

    async def stop(self) -> int:
        """SIGTERM, and its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await self.process.wait()
            await self._reader
        return self.process.returncode or 0


@asynccontextmanager
async def started(*arguments: str, cwd: Path, environ: Mapping[str, str]) -> AsyncIterator[Running]:
    """`phantom start …`, killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "start",
        *arguments,
        cwd=cwd,
        env={**CLEAN, **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    running = Running(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def command(
    *arguments: str, cwd: Path, environ: Mapping[str, str], status: int = 0
) -> subprocess.CompletedProcess[str]:
    """`phantom()` beside a running event loop, so that fakes in this process can answer it."""
    return await asyncio.to_thread(lambda: phantom(*arguments, cwd=cwd, status=status, **environ))
