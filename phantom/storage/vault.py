"""AES-256-GCM with the keys of a ring: the engine's `phantom.sealing.AtRest`.

A sealed value is MAGIC, 4 bytes of key id, 12 random bytes of nonce, ciphertext and a tag of 16 bytes; its place is
authenticated with it. `cryptography` is imported here alone, and only when a key is set. What does *not* live here:
which ring counts (`phantom/at_rest.py`) and sealing rows anew (`reseal.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from phantom.channel import Meter
from phantom.sealing import ID_BYTES, MAGIC, DamagedRow, SealedDatabase, SealedFile, key_id_of, spoken_place
from phantom.storage.key_ring import Ring

NONCE_BYTES = 12
_HEAD = len(MAGIC) + ID_BYTES
_BODY = _HEAD + NONCE_BYTES
RESTORE = "restore the row from a backup; everything else goes on"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """What one ring means to the cipher. Replaced as a whole, so that every thread sees one ring or the other."""

    head: bytes
    """How a value sealed now begins; b"" while what is written stays plain."""
    sealing: AESGCM | None = field(repr=False)
    by_head: dict[bytes, AESGCM] = field(repr=False)


class Vault:
    """Seals with the first key of the ring and opens with all; `use` takes another ring, from any thread."""

    ever_sealed = True

    def __init__(self, ring: Ring, meter: Meter, look_after: Callable[[SealedDatabase | SealedFile], None]) -> None:
        self._look_after = look_after
        self._meter = meter
        self._keys = _keys(ring)
        self.ring = ring

    def use(self, ring: Ring) -> None:
        """Seal and open with this ring from now on."""
        self._keys = _keys(ring)
        self.ring = ring

    @property
    def head(self) -> bytes:
        """How a value sealed now begins; b"" while what is written stays plain."""
        return self._keys.head

    def seal(self, data: bytes, place: str) -> bytes:
        keys = self._keys
        if keys.sealing is None or not data:
            return data
        nonce = os.urandom(NONCE_BYTES)
        return b"".join((keys.head, nonce, keys.sealing.encrypt(nonce, data, place.encode())))

    def open(self, stored: bytes, place: str) -> bytes:
        if not stored.startswith(MAGIC):
            return stored
        cipher = self._keys.by_head.get(stored[:_HEAD])
        if cipher is None:
            self._meter.count("phantom_encryption_failures_total", reason="no_key")
            raise DamagedRow(
                f"{spoken_place(place)} is sealed with the key {key_id_of(stored)}, which ENCRYPTION_KEY does not hold",
                hint="put this key back into ENCRYPTION_KEY",
            )
        try:
            return cipher.decrypt(stored[_HEAD:_BODY], stored[_BODY:], place.encode())
        except (InvalidTag, ValueError):  # ValueError: what is left is shorter than a nonce
            self._meter.count("phantom_encryption_failures_total", reason="damaged")
            raise DamagedRow(
                f"{spoken_place(place)} is damaged: it does not open with the key {key_id_of(stored)}", hint=RESTORE
            ) from None

    def seal_text(self, text: str, place: str) -> str | bytes:
        return text if self._keys.sealing is None or not text else self.seal(text.encode(), place)

    def open_text(self, stored: str | bytes, place: str) -> str:
        return stored if isinstance(stored, str) else self.open(stored, place).decode()

    def look_after(self, store: SealedDatabase | SealedFile) -> None:
        self._look_after(store)

    def __repr__(self) -> str:
        return f"Vault({', '.join(self.ring.ids)})"


def _keys(ring: Ring) -> _Keys:
    by_head = {MAGIC + bytes.fromhex(key.id): AESGCM(key.material) for key in ring.keys}
    head = b"" if ring.sealing is None else MAGIC + bytes.fromhex(ring.sealing.id)
    return _Keys(head=head, sealing=by_head.get(head), by_head=by_head)
