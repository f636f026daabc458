"""The real daemon as a child process: started on a data folder, waited for, killed, stopped, and read.

    async with FakeSlack() as slack, DaemonProcess(env=socket_env(slack), data_dir=tmp_path / "data") as daemon:
        question = await slack.post(slack.owner, slack.general, f"{slack.mention} hello")
        await slack.wait_for(lambda: slack.replies(question))
        await daemon.kill()          # SIGKILL: nothing is flushed, nothing is said
        await daemon.start()         # again, on the same data folder and the same port
        assert await daemon.stop() == 0

What does *not* live here: the services around it (`fake_slack`, `fake_metadata`) and what it should do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import aiohttp
import orjson

from phantom.testing.fake_metadata import FakeMetadata
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.hunt_record import HUNT, leave, leave_secrets, secrets_in

GATEWAY_SECRET = "0123456789abcdef" * 4
"""What `gateway_env` has a gateway sign with, unless told otherwise."""

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV", "SSL_CERT_FILE")
PLANTED = "PLANTED_"
"""How variables begin whose values are hunted for in all that a test run wrote (`scripts/leak_hunt.py`)."""
_PORTS = range(20_000, 32_000)
"""Below the ports that systems hand out for outgoing connections, so that a port survives the time between a kill and
the next start.
"""
_POLL = 0.01
START = (sys.executable, "-m", "phantom", "start")


class Child(Protocol):
    """As much of `asyncio.subprocess.Process` as is used here."""

    pid: int

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    @property
    def stderr(self) -> asyncio.StreamReader | None: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def send_signal(self, signal: int, /) -> None: ...


Launch = Callable[[Sequence[str], Mapping[str, str], Path | None], Awaitable[Child | None]]
"""Begins a command with an environment in a folder, in a session of its own; None: it cannot, so Python is started."""


class DaemonProcess:
    """`phantom start` in a process group of its own. `env` comes on top of a nearly empty environment, so that nothing
    of the developer's own settings takes part; the port stays the same over restarts. Times are seconds.
    """

    launch: ClassVar[Launch | None] = None
    """Another way to begin a daemon than to start Python: a suite with hundreds of them may know a quicker one."""

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        data_dir: Path,
        cwd: Path | None = None,
        python_path: Sequence[Path] = (),
        port: int | None = None,
        ready_within: float = 60.0,
        command: Sequence[str] = START,
        before_exec: Callable[[], None] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = kept_port(self) if port is None else port
        self.env = _environment(env, data_dir, self.port, python_path)
        self.lines: list[str] = []
        """Everything that it printed, over all starts."""
        self.starts = 0
        self._command = tuple(command)
        self._cwd = cwd
        self._ready_within = ready_within
        self._before_exec = before_exec
        self._process: Child | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._printed = asyncio.Event()

    @property
    def url(self) -> str:
        """The server's root, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the present start."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.returncode is None

    @property
    def output(self) -> str:
        """Everything printed, as one text."""
        return "\n".join(self.lines)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def start(self, *, ready: bool = True) -> None:
        """Start it; with `ready`, return once `/ready` says 200. Raises `RuntimeError` when it ends before that,
        `TimeoutError` when it takes too long; both quote what it printed.
        """
        if self.alive:
            raise RuntimeError("it runs already")
        self.starts += 1
        self._process = await self._begun()
        self._readers = [
            asyncio.create_task(self._read(stream)) for stream in (self._process.stdout, self._process.stderr) if stream
        ]
        if ready:
            await self.until_ready()

    async def _begun(self) -> Child:
        launch = type(self).launch
        if launch is not None and self._before_exec is None:
            child = await launch(self._command, self.env, self._cwd)
            if child is not None:
                return child
        return await asyncio.create_subprocess_exec(
            *self._command,
            env=self.env,
            cwd=self._cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=1 << 22,
            preexec_fn=self._before_exec,
        )

    async def until_ready(self) -> None:
        """Wait for `/ready`. Raises as `start` does."""
        try:
            async with asyncio.timeout(self._ready_within):
                while not await self._is_ready():
                    if not self.alive:
                        await self._finish()
                        raise RuntimeError(f"the daemon ended with {self._child.returncode}:\n{self.output[-4000:]}")
                    await self._printing(_POLL * 5)
        except TimeoutError:
            raise TimeoutError(f"not ready within {self._ready_within} s:\n{self.output[-4000:]}") from None

    async def kill(self) -> None:
        """SIGKILL the whole group, now; return once it is gone."""
        self._signal(signal.SIGKILL, group=True)
        await self.wait()

    def terminate(self) -> None:
        """SIGTERM; it drains."""
        self._signal(signal.SIGTERM)

    async def wait(self, within: float = 60.0) -> int:
        """Wait for its end and return the exit status (negative: the signal). Raises `TimeoutError`."""
        async with asyncio.timeout(within):
            status = await self._child.wait()
            await self._finish()
        return status

    async def stop(self, within: float = 60.0) -> int:
        """SIGTERM and wait for the end."""
        self.terminate()
        return await self.wait(within)

    async def aclose(self) -> None:
        """Kill what still runs."""
        if self.alive:
            await self.kill()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, *, accept: str = "application/json") -> tuple[int, str]:
        """GET a page of the daemon: status and body."""
        async with self._client().get(self.url + path, headers={"Accept": accept}) as answer:
            body = await answer.text()
        leave("pages", f"{path} of {self.data_dir}\n{body}")
        return answer.status, body

    async def health(self) -> dict[str, Any]:
        """The `/health` document."""
        found: dict[str, Any] = orjson.loads((await self.get("/health"))[1])
        return found

    async def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics` by `name{label="value",…}`."""
        _, text = await self.get("/metrics")
        samples = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    async def until(self, holds: Callable[[dict[str, Any]], bool], within: float = 30.0) -> dict[str, Any]:
        """Wait until the health document satisfies `holds`, and return it. Raises `TimeoutError` with the last one."""
        health: dict[str, Any] = {}
        try:
            async with asyncio.timeout(within):
                while not holds(health := await self.health()):  # noqa: ASYNC110 - another process changes it
                    await asyncio.sleep(_POLL * 3)
        except TimeoutError:
            raise TimeoutError(f"last health: {health}\n{self.output[-4000:]}") from None
        return health

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines whose event is `name`, oldest first (JSON log format, the default here)."""
        found = [_line(line) for line in self.lines]
        return [line for line in found if line.get("event") == name]

    async def until_logged(self, name: str, count: int = 1, within: float = 30.0) -> list[dict[str, Any]]:
        """Wait until `count` lines of event `name` were logged. Raises `TimeoutError`."""
        try:
            async with asyncio.timeout(within):
                while len(self.events(name)) < count:
                    self._printed.clear()
                    await self._printed.wait()
        except TimeoutError:
            raise TimeoutError(f"{name} was not logged {count} times:\n{self.output[-4000:]}") from None
        return self.events(name)

    def rss(self) -> int:
        """Resident memory of the process in bytes (Linux)."""
        fields = Path(f"/proc/{self.pid}/status").read_text().split()
        return int(fields[fields.index("VmRSS:") + 1]) * 1024

    @property
    def _child(self) -> Child:
        if self._process is None:
            raise RuntimeError("it was never started")
        return self._process

    def _signal(self, number: int, *, group: bool = False) -> None:
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self._child.pid, number)
            else:
                self._child.send_signal(number)

    async def _printing(self, within: float) -> None:
        """Wait until it prints something more, which is when its state may have changed, or for so many seconds."""
        self._printed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._printed.wait()

    async def _is_ready(self) -> bool:
        try:
            status, _ = await self.get("/ready")
        except aiohttp.ClientError:
            return False
        return status == 200

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
            self._printed.set()

    async def _finish(self) -> None:
        """Read what is left of its output, and let go of connections to it."""
        await asyncio.gather(*self._readers)
        self._leave_record()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _leave_record(self) -> None:
        """For the hunt after the run: what was secret to this daemon, where it wrote, what it printed."""
        folder = os.environ.get(HUNT)
        if folder is None:
            return
        secrets = secrets_in(self.env)
        leave_secrets({name: value for name, value in secrets.items() if not name.startswith(PLANTED)})
        record = {"secrets": secrets, "data_dir": str(self.data_dir), "output": self.output}
        name = f"{os.getpid()}-{self._child.pid}.json"
        (Path(folder) / "daemons" / name).write_bytes(orjson.dumps(record))

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        return self._session


def socket_env(slack: FakeSlack) -> dict[str, str]:
    """What a daemon needs for Socket Mode at this workspace."""
    return {
        "SLACK_TRANSPORT": "socket",
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_BASE_URL": slack.api_url,
    }


def gateway_env(slack: FakeSlack, metadata: FakeMetadata, *, secret: str = GATEWAY_SECRET) -> dict[str, str]:
    """What it needs as a gateway's tenant; `metadata` is given the identity and the secrets."""
    metadata.identity = {
        "tenant_id": "tenant-1",
        "slack": {
            "team_id": slack.team.id,
            "installer_user_id": slack.owner.id,
            "team_name": slack.team.name,
            "installed_at": "2024-01-01T00:00:00Z",
        },
    }
    metadata.rotate("slack_bot_token", slack.bot_token)
    metadata.rotate("slack_gateway_signing_secret", secret)
    return {
        "SLACK_TRANSPORT": "http",
        "SLACK_API_BASE_URL": slack.api_url,
        "PHANTOM_METADATA_URL": metadata.url,
    }


def free_port() -> int:
    """A port that nobody listens on now, and that no outgoing connection will take."""
    with _bound() as found:
        return int(found.getsockname()[1])


def kept_port(owner: object) -> int:
    """A free port that stays `owner`'s, whether its server runs or not, until that object is gone: another test run
    finds it taken. A server that sets SO_REUSEADDR, as asyncio's and PostgreSQL do, may listen there; on Linux, and
    elsewhere nothing is kept.
    """
    found = _bound()
    port = int(found.getsockname()[1])
    if sys.platform == "linux":
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # set before the bind, it would let two in
        weakref.finalize(owner, os.close, found.detach())
    else:
        found.close()
    return port


def _bound() -> socket.socket:
    """Does not listen: a connection to it is refused."""
    choose = random.SystemRandom()
    for _ in range(200):
        found = socket.socket()
        with contextlib.suppress(OSError):
            found.bind(("127.0.0.1", choose.choice(_PORTS)))
            return found
        found.close()
    raise RuntimeError("no free port was found")


def _environment(env: Mapping[str, str], data_dir: Path, port: int, python_path: Sequence[Path]) -> dict[str, str]:
    whole = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(PLANTED)}
    paths = [str(path) for path in python_path] + [part for part in sys.path if part]
    whole |= {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
        "PORT": str(port),
        "PHANTOM_DATA_DIR": str(data_dir),
        "PHANTOM_LOG_FORMAT": "json",
        "PHANTOM_ENV": "production",
    }
    return whole | dict(env)


def _line(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
