"""What a hunted test run leaves for the search that follows it: `make leak-hunt` (`scripts/leak_hunt.py`).

    leave("pages", text)         what a daemon answered to whoever asked
    leave("outgoing", text)      what arrived at a platform, but for the tokens that such calls carry
    leave("commands", text)      what a command printed
    leave_secrets({name: text})  what was secret in this run and must not be found in any of these

Outside a hunted run nothing is kept. What does *not* live here: the search.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import orjson

HUNT = "PHANTOM_LEAK_HUNT"
"""Names the folder in which records are left."""
Kind = Literal["pages", "outgoing", "commands"]

_SECRET = re.compile(r"(?:TOKEN|SECRET|KEY|PASSWORD|DSN)(?:_(?!DIR$|FILE$|SOURCE$)[A-Z]+)?$")
_PASSWORD = re.compile(r"://[^\s/@:]*:([^\s/@]+)@")
_NUMBER = re.compile(r"\d+")
_seen: set[int] = set()


def leave(kind: Kind, text: str) -> None:
    """Keep `text`; of those that differ in numbers alone, such as ages, only the first."""
    folder = os.environ.get(HUNT)
    if folder is None:
        return
    shape = hash((kind, _NUMBER.sub("0", text)))
    if shape in _seen:
        return
    _seen.add(shape)
    with (Path(folder) / f"{kind}-{os.getpid()}.txt").open("ab") as file:
        file.write(text.encode("utf-8", "surrogatepass") + b"\n\n")


def leave_secrets(secrets: Mapping[str, str]) -> None:
    """These are secret from now on."""
    folder = os.environ.get(HUNT)
    if folder is not None and secrets:
        with (Path(folder) / f"secrets-{os.getpid()}.jsonl").open("ab") as file:
            file.write(orjson.dumps(dict(secrets), option=orjson.OPT_APPEND_NEWLINE))


def secrets_in(environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets among the variables of a process: by their names, and the passwords in addresses."""
    found = {name: value for name, value in environ.items() if _SECRET.search(name)}
    passwords = {name: _PASSWORD.search(value) for name, value in environ.items()}
    return found | {f"{name} (password)": match[1] for name, match in passwords.items() if match}
