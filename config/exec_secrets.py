"""The source `exec`: any secret manager's own command (Vault, AWS, GCP, Doppler, 1Password) prints one secret.

The command is a list, run without a shell, in a process group of its own, with a nearly empty environment. `{name}` and
`{NAME}` in it stand for the secret's name; nothing else gets in, since a name is letters, digits and `_` only. What it
prints is read up to a bound; neither that nor what it says on its error output is ever shown or kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Collection, Iterable, Mapping, Sequence

from config.polled_secrets import MAX_BYTES, Pace, PolledSecrets
from config.rotating import secret_text
from config.secrets_settings import SecretsSettings
from phantom.child_environment import lean_environment
from phantom.errors import ConfigError, SecretError
from phantom.secret_sources import SourceContext


class _Output(asyncio.SubprocessProtocol):
    """What the command prints, up to the bound, and when it is over."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exited = self._closed = False

    @property
    def complete(self) -> bool:
        """Whether the command has ended and nobody can print any more."""
        return self._exited and self._closed

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.data += data[: MAX_BYTES + 1 - len(self.data)]
        if len(self.data) > MAX_BYTES:
            self._end()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._closed = True
        if self._exited:
            self._end()

    def process_exited(self) -> None:
        self._exited = True
        if self._closed:
            self._end()

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


class CommandReader:
    """A `SecretReader` that runs a command for each question. The time limit is the caller's."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], *, missing: Sequence[int] = ()) -> None:
        self._command = tuple(command)
        self._environ = dict(environ)
        self._missing = frozenset(missing)

    async def read(self, name: str) -> str | None:
        """What the command prints, without one line end at its end; None for an exit status that means "missing"."""
        arguments = [part.replace("{name}", name).replace("{NAME}", name.upper()) for part in self._command]
        loop = asyncio.get_running_loop()
        try:
            transport, output = await loop.subprocess_exec(
                _Output,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=self._environ,
                start_new_session=True,
            )
        except OSError as error:
            raise SecretError(
                f"secret {name}: the command cannot be run: {error.strerror}",
                hint="check secrets.exec_command, and that the daemon's PATH holds the program",
            ) from None
        try:
            await output.over
            status = transport.get_returncode()
        finally:
            if not output.complete:
                # Cut off, or talking too much: the whole group, since a command may have children of its own.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(transport.get_pid(), signal.SIGKILL)
            transport.close()
        return self._understood(name, bytes(output.data), status)

    async def aclose(self) -> None:
        """Nothing is open between questions."""

    def _understood(self, name: str, data: bytes, status: int | None) -> str | None:
        if len(data) > MAX_BYTES:
            raise SecretError(f"secret {name}: the command printed more than {MAX_BYTES // 1024} KiB")
        if status in self._missing:
            return None
        if status != 0:
            raise SecretError(
                f"secret {name}: the command ended with status {status}",
                hint="run it by hand as the daemon's user; is it logged in, and does it know the secret?",
                retryable=True,
            )
        text = secret_text(data)
        if text is None:
            raise SecretError(f"secret {name}: the command printed something that is not UTF-8 text")
        return text


def _named(wanted: Iterable[str], names: Collection[str]) -> Iterable[str]:
    """The variables that `wanted` names; one that ends in `*` stands for all that begin so."""
    for one in wanted:
        if one.endswith("*"):
            yield from (name for name in names if name.startswith(one.removesuffix("*")))
        else:
            yield one


def open_command(context: SourceContext) -> PolledSecrets:
    """The source `exec`. Raises `ConfigError` when no usable command is set."""
    settings = context.options["settings"]
    assert isinstance(settings, SecretsSettings)  # noqa: S101 - `source_registry` fills it
    where = "secrets.exec_command"
    if not settings.exec_command:
        raise ConfigError(
            "SECRET_SOURCE names exec, and no command is set",
            where=where,
            hint="write the command as a list, such as [vault, kv, get, -field=value, 'secret/phantom/{name}']",
        )
    if not any("{name}" in part or "{NAME}" in part for part in settings.exec_command[1:]):
        raise ConfigError(
            "does not say where the secret's name goes", where=where, hint="put {name} or {NAME} into an argument"
        )
    names = context.options["variables"]
    assert isinstance(names, Collection)  # noqa: S101 - `source_registry` fills it
    environ = {name: value for name in names if (value := context.variable(name)) is not None}
    given = lean_environment(environ, keep=_named(settings.exec_environment, names))
    reader = CommandReader(settings.exec_command, given, missing=settings.exec_missing)
    pace = Pace(
        interval=settings.exec_interval,
        timeout=settings.exec_timeout,
        stale=settings.exec_stale,
        overlap=context.overlap,
    )
    return PolledSecrets("exec", reader, context.clock, pace)
