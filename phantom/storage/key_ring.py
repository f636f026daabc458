"""The text of the secret `encryption_key`: one key or several. Pure.

    pek_1f0c9a37_kx2J…43 characters…                          one key: it seals and opens
    pek_88ab01f2_…,pek_1f0c9a37_…                             the first seals, all open
    plain,pek_1f0c9a37_…                                      written plain from now on; the key still opens

A key's id is part of its text and follows from its bytes, so a damaged key is noticed by itself. What does *not* live
here: the cipher (`vault.py`), and where the text comes from (`config/`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from phantom.errors import ConfigError

PREFIX = "pek_"
PLAIN_WORD = "plain"
KEY_BYTES = 32
MAX_KEYS = 32
WHERE = "ENCRYPTION_KEY"
RESTORE = "restore the key from your backup; Phantom never replaces one by itself"
_ID_LABEL = b"phantom encryption key id 1\x00"
_SHAPE = re.compile(r"pek_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One AES-256 key. `id` is eight hex digits."""

    id: str
    material: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """What stands in the ring."""
        return f"{PREFIX}{self.id}_{base64.urlsafe_b64encode(self.material).decode().rstrip('=')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The keys in their order. `plain`: nothing is sealed from now on."""

    keys: Sequence[Key]
    plain: bool = False

    @property
    def sealing(self) -> Key | None:
        """The key that seals, None when what is written stays plain."""
        return None if self.plain else self.keys[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys."""
        return tuple(key.id for key in self.keys)

    @property
    def text(self) -> str:
        """The secret's text."""
        return ",".join([PLAIN_WORD] * self.plain + [key.text for key in self.keys])


def id_of(material: bytes) -> str:
    """The id of a key."""
    return hashlib.sha256(_ID_LABEL + material).digest()[:4].hex()


def fresh_key() -> Key:
    """A new random key."""
    material = secrets.token_bytes(KEY_BYTES)
    return Key(id=id_of(material), material=material)


def parse_ring(text: str) -> Ring:
    """The ring of that text. Raises `ConfigError`, which repeats nothing of it but ids."""
    parts = [part.strip() for part in text.split(",")]
    plain = parts[0] == PLAIN_WORD
    parts = parts[1:] if plain else parts
    if len(parts) > MAX_KEYS:
        raise _unfit(f"holds more than {MAX_KEYS} keys", "retire old ones: phantom secrets retire encryption")
    keys = [_key(part, number) for number, part in enumerate(parts, 1)]
    if not keys and not plain:
        raise _unfit("is empty", RESTORE)
    ids = [key.id for key in keys]
    twice = next((one for one in ids if ids.count(one) > 1), "")
    if twice:
        raise _unfit(f"holds the key {twice} twice", "keep it once")
    return Ring(keys=tuple(keys), plain=plain)


def _key(part: str, number: int) -> Key:
    found = _SHAPE.fullmatch(part)
    if found is None:
        if part == PLAIN_WORD:
            raise _unfit(f"says `{PLAIN_WORD}` in place {number}", "the word may only stand first")
        what = f"its key number {number} is damaged or is no key: it is not pek_, 8 hex digits, _, 43 characters"
        raise _unfit(what, f"{RESTORE}. A first key is made by `phantom secrets rotate encryption --write`")
    try:
        material = base64.b64decode(found[2] + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        material = b""
    if len(material) != KEY_BYTES or id_of(material) != found[1]:
        raise _unfit(f"its key number {number} ({found[1]}) is damaged: the id does not fit the rest", RESTORE)
    key = Key(id=found[1], material=material)
    if key.text != part:
        raise _unfit(f"its key number {number} ({found[1]}) is damaged: its last character was changed", RESTORE)
    return key


def _unfit(what: str, cure: str) -> ConfigError:
    return ConfigError(what, where=WHERE, hint=cure, code="encryption_key_unfit")
