"""How a secret may be written down: every spelling that is looked for, and the bare form that is looked at first.

Squeezed text is what is left of a text without anything but ASCII letters and digits, in lower case. Quoting, line
wrapping, zero-width characters and markup vanish in it, so a value that was broken up still stands in it in one piece.
What does *not* live here: the search (`redaction_search.py`), secrets that nobody declared (`redaction_shapes.py`).
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""Known values below this length are not masked: they would blank out ordinary words and protect nothing."""
SHORTEST_ENCODED = 8

_KEPT = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DROPPED = bytes(code for code in range(256) if code not in _KEPT)
_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
KEPT = re.compile("[0-9A-Za-z]")
"""The characters of a text that its squeezed form has, one each, in order."""


def squeeze(text: str) -> bytes:
    """The bare form. What stands in a text in one piece stands in its bare form in one piece too."""
    return squeeze_bytes(text.encode("utf-8", "surrogatepass"))


def squeeze_bytes(text: bytes) -> bytes:
    """The bare form of a text in UTF-8 (or whatever keeps ASCII as it is)."""
    return text.translate(_LOWER, _DROPPED)


def forms(value: str) -> set[str]:
    """Every spelling of `value` that is looked for as it stands."""
    raw = value.encode("utf-8", "surrogatepass")
    plain = {
        value,
        value.strip(),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(value)[1:-1].replace("/", "\\/"),  # as PHP writes JSON, and Slack
        repr(value)[1:-1],
        repr(value + "'\"")[1:-4],  # as inside a longer text that holds both kinds of quotes
        ascii(value)[1:-1],
        repr(raw)[2:-1],
        html.escape(value),
        html.escape(value, quote=False),
    }
    quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    quoted |= {re.sub(r"%[0-9A-F]{2}", lambda found: found.group().lower(), text) for text in quoted}
    encoded = {raw.hex(), raw.hex().upper()} | _character_by_character(value, raw)
    encoded |= _both_alphabets(_base64_cores(raw))
    return {form for form in plain | quoted if len(form) >= SHORTEST} | {
        form for form in encoded if len(form) >= SHORTEST_ENCODED
    }


def rare_forms(value: str) -> set[str]:
    """Spellings that are looked for in one piece only, which keeps the search for pieces quick: what was encoded twice,
    or for another machine.
    """
    raw = value.encode("utf-8", "surrogatepass")
    found = {html.escape(html.escape(value))}
    found |= {quote(text, safe="") for text in (quote(raw, safe=""), quote(raw), quote_plus(raw))}
    cores = _base64_cores(value.encode("utf-16-le", "surrogatepass"))  # as PowerShell reads it
    cores |= {twice for core in _base64_cores(raw) for twice in _base64_cores(core.encode())}  # Kubernetes, of Docker
    return {form for form in found | _both_alphabets(cores) if len(form) >= SHORTEST_ENCODED}


def _both_alphabets(cores: set[str]) -> set[str]:
    """Base64 and base64url."""
    return cores | {core.replace("+", "-").replace("/", "_") for core in cores}


def _character_by_character(value: str, raw: bytes) -> set[str]:
    """Each character escaped, as JSON, a percent-encoder, Python and HTML would write characters they do not know."""
    utf16 = value.encode("utf-16-be", "surrogatepass")
    units = [int.from_bytes(utf16[at : at + 2]) for at in range(0, len(utf16), 2)]
    return {
        "".join(f"\\u{unit:04x}" for unit in units),
        "".join(f"%{byte:02X}" for byte in raw),
        "".join(f"\\x{byte:02x}" for byte in raw),
        "".join(f"&#{ord(char)};" for char in value),
        "".join(f"&#x{ord(char):x};" for char in value),
    }


def _base64_cores(raw: bytes) -> set[str]:
    """For every place at which `raw` may stand."""
    return {_base64_core(raw, shift) for shift in range(3)}


def _base64_core(raw: bytes, shift: int) -> str:
    """The characters of base64 that depend on `raw` alone when `shift` (modulo 3) other bytes stand before it."""
    text = base64.b64encode(bytes(shift) + raw).decode("ascii")
    return text[math.ceil(shift * 8 / 6) : (shift + len(raw)) * 8 // 6]
