"""Tokens of interactions as the journal keeps them: sealed, under a key that is destroyed once the tokens are dead.

A token speaks for the application for fifteen minutes. It has to survive a restart within that time, but what was once
written to a database stays in its log and free pages for long. So only its ciphertext is written, and the key lives in
a file of its own: a chain in which each five minutes' key is the hash of the one before. The file holds the oldest key
that a living token may need, and is moved on as time goes by; there is no way back to an earlier key.

What does *not* live here: where a token leads (`interaction_address.py`).
https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import importlib
import os
from pathlib import Path

import structlog

from channels.discord.disk import written
from channels.discord.interaction_address import LIFETIME
from phantom.clock import Clock

log = structlog.get_logger(__name__)

EPOCH_SECONDS = 300.0
_MARK = "s1."
_NONCE = 12
_AHEAD = 200_000
"""Epochs (about two years) that a key may lie ahead of the kept one: what is further off is not ours."""


class TokenSeal:
    """One for a channel. `seal` and `open` want no disk; `load` and `ready` first, `keep` while serving."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._epoch = self._now()
        self._key = os.urandom(32)
        self._sealing: tuple[int, bytes] = (self._epoch, self._key)
        self._loaded = self._imported = self._leapt = False

    async def load(self) -> None:
        """Read the key, once, or make one; keys of dead tokens go."""
        if self._loaded:
            return
        kept = await asyncio.to_thread(_read, self._path)
        if kept is not None and self._now() - kept[0] < _AHEAD:
            self._epoch, self._key = kept
            self._sealing = kept
        self._loaded = True
        if not await self._forget_dead():
            await self._write()

    async def keep(self) -> None:
        """Destroy keys as their tokens die, until cancelled."""
        while True:
            await self._clock.sleep(EPOCH_SECONDS / 2)
            await self._forget_dead()

    async def ready(self) -> None:
        """Import the cipher beside the loop. Only who is asked something over an interaction pays for it."""
        if not self._imported:
            await asyncio.to_thread(importlib.import_module, "cryptography.hazmat.primitives.ciphers.aead")
            self._imported = True

    def seal(self, token: str) -> str:
        """`token` for keeping."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        epoch = max(self._now(), self._sealing[0])
        if epoch - self._sealing[0] >= _AHEAD:
            self._leap(epoch)
        elif epoch != self._sealing[0]:
            self._sealing = (epoch, _onward(self._sealing[1], epoch - self._sealing[0]))
        nonce = os.urandom(_NONCE)
        sealed = AESGCM(self._sealing[1]).encrypt(nonce, token.encode("utf-8", "surrogatepass"), None)
        return f"{_MARK}{epoch}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str) -> str:
        """The token, "" once its key is gone. What was never sealed is given back as it is."""
        if not sealed.startswith(_MARK):
            return sealed
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        when, _, body = sealed.removeprefix(_MARK).partition(".")
        ahead = int(when) - self._epoch if when.isascii() and when.isdigit() and len(when) < 12 else -1
        if not 0 <= ahead < _AHEAD:
            return ""
        try:
            raw = base64.urlsafe_b64decode(body)
            opened = AESGCM(_onward(self._key, ahead)).decrypt(raw[:_NONCE], raw[_NONCE:], None)
        except (binascii.Error, ValueError, InvalidTag):
            return ""  # another data folder's, or its key was lost: it is answered another way
        return opened.decode("utf-8", "surrogatepass")

    async def _forget_dead(self) -> bool:
        """Move on to the oldest key that a living token may need. Whether there was anything to forget."""
        oldest = self._now(-LIFETIME)
        if oldest <= self._epoch and not self._leapt:
            return False
        if oldest - self._epoch >= _AHEAD:
            self._leap(oldest)
        elif oldest > self._epoch:
            self._key = _onward(self._key, oldest - self._epoch)
            self._epoch = oldest
            if self._sealing[0] < oldest:
                self._sealing = (oldest, self._key)
        self._leapt = False
        await self._write()
        return True

    def _leap(self, epoch: int) -> None:
        """The clock was put on by years, as on a machine that wakes up in 1970. All tokens are dead by it, and the way
        along the chain would keep the event loop for seconds: another chain begins.
        """
        self._epoch, self._key = epoch, os.urandom(32)
        self._sealing = (epoch, self._key)
        self._leapt = True

    async def _write(self) -> None:
        try:
            await written(_write, self._path, self._epoch, self._key)
        except OSError as error:
            cure = error.strerror or "check the data folder"
            log.warning("interaction_key_not_written", channel="discord", cure=cure)

    def _now(self, shift: float = 0.0) -> int:
        return int((self._clock.now() + shift) // EPOCH_SECONDS)


def _onward(key: bytes, steps: int) -> bytes:
    for _ in range(steps):
        key = hashlib.sha256(b"phantom interaction tokens" + key).digest()
    return key


def _read(path: Path) -> tuple[int, bytes] | None:
    try:
        when, _, key = path.read_text("ascii").strip().partition(" ")
        return (int(when), bytes.fromhex(key)) if len(key) == 64 else None
    except (OSError, ValueError):
        return None


def _write(path: Path, epoch: int, key: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{epoch} {key.hex()}")
    fresh.replace(path)
