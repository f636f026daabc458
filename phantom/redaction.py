"""Keeps secrets out of everything Phantom writes for people: logs, error lines, health output, chat.

The first line of defence is *known values*: every live secret, what it was before its rotation, and the forms in which
a value travels (base64 at any alignment, URL-encoded, JSON- or repr-escaped, hex, HTML). The second is token *shapes*,
for a secret nobody declared. What does *not* live here: writing logs (`logs.py`), secrets themselves (`secrets.py`).
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, quote_plus

from phantom.errors import PhantomError
from phantom.secrets import Secret

MASK = "***"
SHORTEST = 4
"""Known values below this length are not masked: they would blank out ordinary words and protect nothing."""

_SHORTEST_ENCODED = 8
_REMEMBERED = 256
_DEPTH = 6

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Slack: bot, user, app-level, rotated (xoxe.xoxb-…, xoxe-…) and legacy tokens; incoming webhook paths.
    (re.compile(r"(?:xoxe\.)?xox[a-z]-[A-Za-z0-9-]{4,}|xapp-[A-Za-z0-9-]{4,}"), MASK),
    (re.compile(r"(hooks\.slack\.com/[a-z]{1,12}/)[A-Za-z0-9/_-]{8,}"), r"\1" + MASK),
    # Discord bot tokens: base64 id, timestamp, HMAC. JSON Web Tokens have the same three parts.
    (re.compile(r"\b[MNO][\w-]{22,28}\.[\w-]{5,8}\.[\w-]{25,}"), MASK),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), MASK),
    (re.compile(r"\b(sk-|gh[pousr]_)[\w-]{16,}"), r"\1" + MASK),
    (re.compile(r"(?i)\bbearer\s{1,4}[\w.~+/=:-]{6,}"), "Bearer " + MASK),
    (re.compile(r"(?i)(authorization[\"']?[:=]\s{0,4}[\"']?)[a-z]{0,12}\s{0,4}[\w.~+/=:-]{6,}"), r"\1" + MASK),
    (re.compile(r"(://[^\s/@:]{0,64}:)[^\s/@]{1,256}(@)"), r"\1" + MASK + r"\2"),
    # `token=…`, `"api_key": "…"`: long, with a digit, so that names of secrets stay readable.
    (
        re.compile(
            r"(?i)((?:token|secret|passw(?:or)?d|api[_-]?key|signature|ticket|authorization)[\"']?\s{0,2}[=:]\s{0,2}"
            r"[\"']?)(?=[^\s\"'&,;)}\]]{0,512}\d)[^\s\"'&,;)}\]]{16,}"
        ),
        r"\1" + MASK,
    ),
)

# How the name ends, so that SECRET_SOURCE=file does not blank out every "file".
_SECRET_VARIABLE = re.compile(r"(?i)(?:token|secret|passw(?:or)?d|api_?key|_key|credentials?)(?:_previous|_?\d+)?$")
_SHORTEST_GUESSED = 8


def forms(value: str) -> set[str]:
    """Every spelling of `value` that is looked for."""
    raw = value.encode("utf-8", "surrogatepass")
    plain = {
        value,
        value.strip(),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        repr(value + "'\"")[1:-4],  # as inside a longer text that holds both kinds of quotes
        ascii(value)[1:-1],
        repr(raw)[2:-1],
        html.escape(value),
    }
    quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    quoted |= {re.sub(r"%[0-9A-F]{2}", lambda found: found.group().lower(), text) for text in quoted}
    encoded = {raw.hex(), raw.hex().upper()}
    cores = [_base64_core(raw, shift) for shift in range(3)]
    encoded |= {*cores, *(core.replace("+", "-").replace("/", "_") for core in cores)}
    return {form for form in plain | quoted if len(form) >= SHORTEST} | {
        form for form in encoded if len(form) >= _SHORTEST_ENCODED
    }


def _base64_core(raw: bytes, shift: int) -> str:
    """The characters of base64 that depend on `raw` alone when `shift` (modulo 3) other bytes stand before it."""
    text = base64.b64encode(bytes(shift) + raw).decode("ascii")
    return text[math.ceil(shift * 8 / 6) : (shift + len(raw)) * 8 // 6]


class Redactor:
    """Masks secrets in text and nested values. `secrets` is asked at every use, so rotation needs no call here.

    A value once seen stays masked after its rotation (the newest 256 values), since old ones turn up in late errors.
    """

    def __init__(self, secrets: Callable[[], Iterable[Secret]] = tuple) -> None:
        self._secrets = secrets
        self._values: dict[str, None] = {}
        self._forms: tuple[str, ...] = ()

    def watch(self, secrets: Callable[[], Iterable[Secret]]) -> None:
        """Ask `secrets` from now on; what was seen before stays masked."""
        self._secrets = secrets

    def remember(self, *values: str) -> None:
        """Mask these plaintexts too, for ever."""
        fresh = [value for value in values if len(value) >= SHORTEST and value not in self._values]
        if not fresh:
            return
        for value in fresh:
            self._values[value] = None
        for oldest in list(self._values)[:-_REMEMBERED]:
            del self._values[oldest]
        every = set[str]().union(*(forms(value) for value in self._values))
        self._forms = tuple(sorted(every, key=lambda form: (-len(form), form)))

    def remember_environment(self, environ: Mapping[str, str]) -> None:
        """Mask the values of variables whose name says secret: before any configuration is read, and if it fails."""
        named = (value for name, value in environ.items() if _SECRET_VARIABLE.search(name))
        self.remember(*(value for value in named if len(value) >= _SHORTEST_GUESSED))

    def clean(self, text: str) -> str:
        """`text` with every known secret and everything of a token's shape masked."""
        self._look()
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text

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

    def _look(self) -> None:
        fresh: list[str] = []
        for secret in self._secrets():
            # One without a value right now has nothing to hide; whoever needs it reports that.
            values = _candidates(secret)
            fresh.extend(value for value in values if value not in self._values)
        if fresh:
            self.remember(*fresh)


def _candidates(secret: Secret) -> tuple[str, ...]:
    try:
        return secret.candidates()
    except PhantomError:
        return ()
