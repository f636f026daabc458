"""The bridge's own certificate, read again when its files change. New connections get the new one."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import structlog

from phantom.clock import Clock
from phantom.errors import ConfigError

log = structlog.get_logger("phantom.bridge")

LOOK_SECONDS = 5.0


class Certificate:
    """A server context (TLS 1.2 or newer) that follows its files. Raises `ConfigError` when they are unfit at start;
    later an unfit pair is told and the old one stays in use.
    """

    def __init__(self, certificate: Path, key: Path, clock: Clock) -> None:
        self._certificate = certificate
        self._key = key
        self._clock = clock
        self.trouble = ""
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._task: asyncio.Task[None] | None = None
        self._seen = self._marks()
        try:
            self.context.load_cert_chain(certificate, key, password="")  # without one it would ask the terminal
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(
                f"the certificate cannot be used: {error.strerror or type(error).__name__}",
                where="PHANTOM_BRIDGE_TLS_CERTIFICATE",
                hint="name a PEM file with the whole chain, and its unencrypted key, both readable by the daemon",
            ) from None

    def watch(self) -> None:
        """Look at the files every few seconds."""
        self._task = asyncio.create_task(self._look(), name="bridge certificate")

    async def aclose(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            marks = self._marks()
            if marks == self._seen:
                continue
            try:
                # Tried on a context of its own first: a pair that does not fit would spoil the one in use.
                trial = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                trial.load_cert_chain(self._certificate, self._key, password="")
                self.context.load_cert_chain(self._certificate, self._key, password="")
            except OSError as error:
                if not self.trouble:
                    self.trouble = "the changed certificate cannot be used; the old one stays"
                    log.error("bridge_certificate_not_read", what=error.strerror, cure="write a matching pair again")
                continue
            self._seen, self.trouble = marks, ""
            log.info("bridge_certificate_read")

    def _marks(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_mark(path) for path in (self._certificate, self._key))


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size
