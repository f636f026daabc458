"""The hunt for planted secrets in everything that a run wrote: `make leak-hunt`.

A secret is looked for in eight encodings, each at any offset: plain, base64, base64url, hex, percent-encoded,
JSON-escaped, HTML-escaped, and broken up by whatever is no letter or digit. How secrets are spelled is told here once
more, on its own: the hunt shares nothing with what it checks.

    python -m scripts.leak_hunt            run the whole test suite with 30 secrets planted, then search what it wrote
    python -m scripts.leak_hunt FOLDER …   search these folders, for the secrets in the variables PLANTED_…

What does *not* live here: masking (`phantom/redaction.py`).
"""

from __future__ import annotations

import base64
import html
import json
import os
import random
import re
import sqlite3
import string
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

PREFIX = "PLANTED_"
VARIABLE = "PHANTOM_LEAK_HUNT"
"""Names the folder where a hunted test suite leaves what it printed."""
COUNT = 30
_NO_LETTER = re.compile(rb"[^0-9a-z]+")
_LETTERS = string.ascii_letters + string.digits
_LEAST = 12
_LEAST_DISTINCT = 6
"""A test's stand-in such as seventy times `x` also stands in long texts of other tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A secret that shows. `near` is what stands before it, never the secret itself."""

    where: str
    secret: str
    encoding: str
    near: str

    def __str__(self) -> str:
        return f"{self.secret} shows in {self.where} ({self.encoding}) after …{self.near!r}"


def planted(seed: int = 0, count: int = COUNT) -> dict[str, str]:
    """Secrets of every shape that real ones have, by variable name. The same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - they protect nothing

    def text(length: int, letters: str = _LETTERS) -> str:
        return "".join(chance.choice(letters) for _ in range(length))

    digits, hexes = string.digits, "0123456789abcdef"
    makers = (
        lambda: f"xoxb-{text(12, digits)}-{text(13, digits)}-{text(24)}",
        lambda: text(32, hexes),
        lambda: f"sk-ant-api03-{text(80)}",
        lambda: base64.b64encode(chance.randbytes(32)).decode(),
        lambda: f"{text(8)}/{text(8)}+{text(8)}={text(6)}&{text(6)}",
        lambda: f'{text(7)}"{text(7)}\\{text(7)}<{text(7)}>{text(4)}',
        lambda: f"{text(6)} {text(9)} {text(8)} {text(5)}",
        lambda: f"{text(9)}äß€{text(12)}",
        lambda: f"xapp-1-A{text(10)}-{text(13, digits)}-{text(64, hexes)}",
        lambda: f"{text(6)}.{text(7)}.{text(27)}-{text(9)}_{text(8)}",
    )
    return {f"{PREFIX}{number:02}_TOKEN": makers[number % len(makers)]() for number in range(count)}


def spellings(secret: str) -> dict[str, set[bytes]]:
    """By encoding, what to look for in bytes as they are. `broken` is looked for in letters and digits alone."""
    raw = secret.encode()
    standard = {_core(raw, shift) for shift in range(3)}
    quoted = {quote(secret, safe=""), quote(secret), quote(secret, safe="").replace("%20", "+")}
    escaped = json.dumps(secret)[1:-1]
    return {
        "plain": {raw},
        "base64": {core.encode() for core in standard},
        "base64url": {core.replace("+", "-").replace("/", "_").encode() for core in standard},
        "hex": {raw.hex().encode(), raw.hex().upper().encode()},
        "percent": {one.encode() for one in quoted} | {b"".join(b"%%%02X" % byte for byte in raw)},
        "json": {escaped.encode(), "".join(f"\\u{ord(char):04x}" for char in secret).encode()},
        "html": {html.escape(secret).encode(), "".join(f"&#{ord(char)};" for char in secret).encode()},
        "broken": {_letters(raw)},
    }


def encoded(secret: str) -> dict[str, str]:
    """The secret once in each encoding, as somebody who wants to get it out would write it."""
    raw = secret.encode()
    middle = len(secret) // 2
    return {
        "plain": secret,
        "base64": base64.b64encode(b"is " + raw + b".").decode(),
        "base64url": base64.urlsafe_b64encode(raw).decode(),
        "hex": raw.hex(),
        "percent": quote(secret, safe=""),
        "json": "".join(f"\\u{ord(char):04x}" for char in secret),
        "html": html.escape(secret),
        "broken": f"{secret[: middle // 2]}\n{secret[middle // 2 : middle]}\u200b**{secret[middle:]}**",
    }


class Hunt:
    """Looks for `secrets`, by name. `allowed` says where a platform rightly gets one."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._needles = [
            (name, encoding, needle)
            for name, secret in secrets.items()
            for encoding, needles in spellings(secret).items()
            for needle in needles
            if len(needle) >= _LEAST
        ]

    def bytes(self, where: str, data: bytes) -> Iterator[Hit]:
        """Hits in `data`, at most one for each secret and encoding."""
        letters = _letters(data)
        seen: set[tuple[str, str]] = set()
        for name, encoding, needle in self._needles:
            text = letters if encoding == "broken" else data
            at = text.find(needle)
            if at >= 0 and (name, encoding) not in seen:
                seen.add((name, encoding))
                near = text[max(0, at - 80) : at].decode("utf-8", "replace")
                yield Hit(where=where, secret=name, encoding=encoding, near=near)

    def text(self, where: str, text: str) -> Iterator[Hit]:
        """Hits in a text."""
        yield from self.bytes(where, text.encode("utf-8", "surrogatepass"))

    def folder(self, folder: Path) -> Iterator[Hit]:
        """Hits in every file below `folder`: its bytes, its name, and for databases every cell too, since a long value
        lies about in pieces.
        """
        for path in sorted(folder.rglob("*")):
            yield from self.text("a name", str(path.relative_to(folder)))
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                yield from self.bytes(str(path), data)
                if data.startswith(b"SQLite format 3\0"):
                    yield from self.bytes(f"{path} (cells)", b"\n".join(_cells(path)))


def _cells(path: Path) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:  # a copy: looking at it must not change it
        copy = Path(folder) / path.name
        for tail in ("", "-wal"):
            original = path.with_name(path.name + tail)
            if original.exists():
                copy.with_name(copy.name + tail).write_bytes(original.read_bytes())
        with closing(sqlite3.connect(copy)) as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                for row in db.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - a table's own name
                    for cell in row:
                        yield cell if isinstance(cell, bytes) else str(cell).encode("utf-8", "surrogatepass")


def _core(raw: bytes, shift: int) -> str:
    """What base64 makes of `raw` whatever stands around it, when `shift` bytes stand before it modulo three."""
    text = base64.b64encode(b"\0" * shift + raw + b"\0" * 3).decode()
    first, last = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
    return text[first:last]


def _letters(data: bytes) -> bytes:
    return _NO_LETTER.sub(b"", data.lower())


def report(hits: Iterable[Hit]) -> int:
    """Print what was found; the exit status."""
    found = list(hits)
    for hit in found[:100]:
        print(hit)
    print(f"{len(found)} hit(s)")
    return 1 if found else 0


def _whole_suite(arguments: list[str]) -> int:
    """Run the suite with secrets planted in its environment and search what is left of it."""
    secrets = planted(seed=int.from_bytes(os.urandom(4)))
    with tempfile.TemporaryDirectory(prefix="leak-hunt-") as folder:
        base, said = Path(folder) / "tests", Path(folder) / "said"
        (said / "daemons").mkdir(parents=True)
        environ = {**os.environ, **secrets, VARIABLE: str(said)}
        command = [sys.executable, "-m", "pytest", "-n", os.environ.get("JOBS", "2"), "--dist", "loadfile"]
        kept = ["--basetemp", str(base), "-o", "tmp_path_retention_policy=all"]
        status = subprocess.run([*command, *kept, *arguments], env=environ, check=False).returncode
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        hunt = Hunt(secrets)
        print(f"searching {size / 1e6:.0f} MB for {len(secrets)} secrets in {len(spellings('x'))} encodings")
        printed = said / "printed.txt"
        output = printed.read_bytes() if printed.exists() else b""
        hits = [
            *hunt.folder(base),
            *hunt.bytes("what the tests printed", output),
            *_of_daemons(hunt, said / "daemons"),
            *hits_in_records(hunt, said),
        ]
        return report(hits) or status


def _of_daemons(planted: Hunt, records: Path) -> Iterator[Hit]:
    """What each daemon printed; and each one's own secrets in all that it wrote."""
    for path in sorted(records.glob("*.json")):
        record = json.loads(path.read_bytes())
        where, folder = f"the output of the daemon in {record['data_dir']}", Path(record["data_dir"])
        own = Hunt({name: value for name, value in record["secrets"].items() if not name.startswith(PREFIX)})
        for hunt in (planted, own):
            yield from hunt.text(where, record["output"])
        if folder.is_dir():
            yield from own.folder(folder)


def hits_in_records(planted: Hunt, said: Path) -> Iterator[Hit]:
    """Pages, error answers, what arrived at platforms, what commands printed: for what was planted, and for whatever
    was secret to any daemon or command of the run (`phantom/testing/hunt_record.py`).
    """
    own: dict[str, str] = {}
    for path in said.glob("secrets-*.jsonl"):
        for line in path.read_bytes().splitlines():
            found = {name: value for name, value in json.loads(line).items() if not name.startswith(PREFIX)}
            own |= {value: name for name, value in found.items() if len(set(value)) >= _LEAST_DISTINCT}
    live = Hunt({f"{name} ({number})": value for number, (value, name) in enumerate(own.items())})
    print(f"and for {len(own)} secrets that its daemons and commands had, in:")
    for path in sorted(said.glob("*-*.txt")):
        data = path.read_bytes()
        print(f"  {path.name}: {len(data) / 1e6:.1f} MB")
        for hunt in (planted, live):
            yield from hunt.bytes(path.name, data)


def main(arguments: list[str]) -> int:
    """The command."""
    folders = [Path(one) for one in arguments if Path(one).is_dir() and not one.startswith(("-", "tests"))]
    if not folders:
        return _whole_suite(arguments)
    hunt = Hunt({name: value for name, value in os.environ.items() if name.startswith(PREFIX)})
    return report(hit for folder in folders for hit in hunt.folder(folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
