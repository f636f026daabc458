"""Talking to systemd (sd_notify(3)): ready, stopping, still alive. Silent where no service manager listens."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class ServiceManager:
    """`NOTIFY_SOCKET` names the datagram socket; `WATCHDOG_USEC` asks for a sign of life within that time."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        usec = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(usec) / 1_000_000 / 2 if usec.isdigit() and mine else None
        """How often to call `alive`, half of what was asked for; None when nobody watches."""

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
            # A manager that is gone or busy is told next time; that must never stop the daemon.
            sock.setblocking(False)
            sock.sendto(message.encode(), address)
