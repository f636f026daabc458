"""Keeps secrets out of everything Phantom writes for people: logs, error lines, health output, chat.

The first line of defence is *known values*: every live secret, what it was before its rotation, and the forms in which
a value travels (`redaction_forms.py`), also broken up by line ends, zero-width characters or markup. The second is
token *shapes*, for a secret nobody declared (`redaction_shapes.py`). What does *not* live here: writing logs
(`logs.py`), what goes to chat (`outgoing.py`), secrets themselves (`secrets.py`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Literal, NamedTuple

from phantom.errors import PhantomError
from phantom.redaction_forms import SHORTEST, forms
from phantom.redaction_search import MASK, Needles, Spelled
from phantom.redaction_shapes import mask_shapes, mask_tokens
from phantom.secrets import Secret

__all__ = ["MASK", "SHORTEST", "Masked", "Redactor", "Shapes", "forms", "names_a_secret"]

_REMEMBERED = 256
_DEPTH = 6
_POLL = 64
"""Every so many texts all handles are asked for their values, whatever they told of changes."""

# How the name ends, so that SECRET_SOURCE=file does not blank out every "file".
_SECRET_VARIABLE = re.compile(
    r"(?i)(?:token|secret|passw(?:or)?d|api_?key|_key|credentials?|passphrase|_dsn|webhook_url)"
    r"(?:_(?:previous|backup|default|old|new)|_?\d+)?$"
)
_SHORTEST_GUESSED = 8
_GIVEN, _VARIABLE, _HANDLE = range(3)
"""How good a name is: somebody's own, a variable's, the secret's."""


Shapes = Literal["all", "tokens", "none"]


class Masked(NamedTuple):
    """A text without secrets, and the names of the known ones that were in it, sorted."""

    text: str
    names: tuple[str, ...]


class _Known(NamedTuple):
    rank: int
    name: str
    spelled: Spelled


class Redactor:
    """Masks secrets in text and nested values. It follows the rotation of every secret that `secrets` names.

    A value once seen stays masked after its rotation (the newest 256 such), since old ones turn up in late errors.
    May be used from any thread.
    """

    def __init__(self, secrets: Callable[[], Collection[Secret]] = tuple) -> None:
        self._secrets = secrets
        self._values: dict[str, _Known] = {}
        """By plaintext, oldest first."""
        self._needles = Needles(())
        self._lock = threading.Lock()
        self._followed: set[int] = set()
        self._handles: list[Secret] = []
        self._heard: list[tuple[str, int, str]] = []
        self._count = 0
        self._until_poll = 0

    def watch(self, secrets: Callable[[], Collection[Secret]]) -> None:
        """Follow what `secrets` gives from now on; what was seen before stays masked."""
        self._secrets = secrets
        self._until_poll = 0

    def remember(self, *values: str, name: str = "") -> None:
        """Mask these plaintexts too, for ever; `name` is what an alert calls them."""
        self._learn((value, _GIVEN, name) for value in values)

    def remember_environment(self, environ: Mapping[str, str]) -> None:
        """Mask the values of variables whose name says secret: before any configuration is read, and if it fails."""
        found = ((value, name) for name, value in environ.items() if names_a_secret(name))
        self._learn((value, _VARIABLE, name) for value, name in found if len(value) >= _SHORTEST_GUESSED)

    def clean(self, text: str) -> str:
        """`text` with every known secret and everything of a token's shape masked."""
        return mask_shapes(self._live().mask(text, set()))

    def clean_known(self, text: str) -> str:
        """`text` with every known secret masked, and nothing else."""
        return self._live().mask(text, set())

    def clean_payload(self, body: bytes) -> bytes:
        """A platform's payload (JSON or a form) without the long ones among the known secrets; else unchanged."""
        return self._live().mask_payload(body)

    def inspect(self, text: str, *, whole: bool = True, shapes: Shapes = "all") -> Masked:
        """Mask, and tell which known secrets were there. Unless `whole`, another text may go on where this one ends:
        the part of a secret that was cut in two is masked too. `shapes`: which of them are masked besides; "tokens"
        leaves alone what only its context gives away.
        """
        names: set[str] = set()
        needles = self._live()
        text = needles.mask(text, names)
        if not whole:
            text = needles.mask_cut(text, names)
        if shapes != "none":
            text = mask_shapes(text) if shapes == "all" else mask_tokens(text)
        return Masked(text, tuple(sorted(names)))

    def settled(self, text: str) -> tuple[str, str]:
        """A text that still grows, in two parts: what can be shown, masked, and an end in which a known secret may have
        begun, to be put before what comes next.
        """
        needles = self._live()
        cleaned = needles.mask(text, set())
        end = needles.settled(cleaned)
        return mask_shapes(cleaned[:end]), cleaned[end:]

    def holds(self, text: str) -> bool:
        """Whether `text` may hold a known secret. False is certain. Quick."""
        return self._live().suspect(text)

    def is_clean(self, text: str) -> bool:
        """True: nothing in `text`, or in any part of it, is to be masked. Quick; False may be a false alarm."""
        return not self._live().suspect(text) and mask_shapes(text) == text

    def clean_value(self, value: object, depth: int = 0) -> object:
        """The same for nested values; the result holds only what JSON knows, everything else as its repr."""
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            text = self.clean(str(value))
            return value if text == str(value) and abs(value) < 2**53 else text
        if isinstance(value, str):
            return self.clean(value)
        if depth < _DEPTH:
            if isinstance(value, Mapping):
                return {self.clean(str(key)): self.clean_value(item, depth + 1) for key, item in value.items()}
            if isinstance(value, list | tuple | set | frozenset):
                return [self.clean_value(item, depth + 1) for item in value]
        if isinstance(value, bytes | bytearray):
            return self.clean(bytes(value).decode("utf-8", "backslashreplace"))
        return self.clean(str(value) if isinstance(value, BaseException) else repr(value))

    def _live(self) -> Needles:
        """The values as they are now. Followed secrets tell of a change and new ones are counted; whose source tells
        nothing is noticed by asking, now and then.
        """
        self._until_poll -= 1
        if self._until_poll < 0 or len(self._secrets()) != self._count:
            self._poll()
        return self._needles

    def _poll(self) -> None:
        self._until_poll = _POLL
        found = self._secrets()
        self._count = len(found)
        for secret in found:
            if id(secret) not in self._followed:
                self._followed.add(id(secret))
                self._handles.append(secret)  # kept, so that no other handle gets its id
                secret.on_change(partial(self._follow, secret))
        with self._lock:
            heard, self._heard = self._heard, []
        self._learn(heard + [(value, _HANDLE, secret.name) for secret in found for value in _candidates(secret)])

    def _follow(self, secret: Secret) -> None:
        """Noted at once, not with the next text: by then the value could have been rotated away, and turn up later."""
        found = [(value, _HANDLE, secret.name) for value in _candidates(secret)]
        with self._lock:
            self._heard += found
        self._until_poll = 0

    def _learn(self, values: Iterable[tuple[str, int, str]]) -> None:
        with self._lock:
            fresh = False
            for value, rank, name in values:
                known = self._values.get(value)
                if len(value) < SHORTEST or (known is not None and known.rank >= rank):
                    continue
                fresh = True
                self._values.pop(value, None)
                self._values[value] = _Known(rank, name, Spelled(value) if known is None else known.spelled)
            if fresh:
                for oldest in self._bygone()[:-_REMEMBERED]:
                    del self._values[oldest]
                self._needles = Needles((known.name, known.spelled) for known in self._values.values())

    def _bygone(self) -> list[str]:
        """Values of handles that no handle has any more, oldest first. Only these are ever forgotten."""
        if len(self._values) <= _REMEMBERED:
            return []
        live = {value for secret in self._handles for value in _candidates(secret)}
        return [value for value, known in self._values.items() if known.rank == _HANDLE and value not in live]


def names_a_secret(variable: str) -> bool:
    """Whether an environment variable of this name holds a secret, as far as a name can tell."""
    return _SECRET_VARIABLE.search(variable) is not None


def _candidates(secret: Secret) -> tuple[str, ...]:
    try:
        return secret.candidates()
    except PhantomError:
        # One without a value right now has nothing to hide; whoever needs it reports that.
        return ()
