"""Where the encryption key stands, if a command can change it: a variable of a `.env` file, or a file of its own.

What does *not* live here: what is put there (`rotate_encryption.py`), how a file is replaced (`config/whole_file.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from config.dotenv import parse_dotenv, read_dotenv
from config.dotenv_edit import assigned
from config.rotating import secret_text
from config.whole_file import MAX_BYTES, Step, replace_whole
from phantom.errors import ConfigError

if TYPE_CHECKING:
    from config import LoadedConfig

SECRET = "encryption_key"  # noqa: S105 - a name
_ELSEWHERE = {
    "env": "the environment of a process cannot be changed; keep the key in a file (ENCRYPTION_KEY_FILE or"
    " SECRET_SOURCE=file), or make a ring with --file and carry it to where the variable is set",
    "metadata": "make a ring with --file and store it there",
    "exec": "make a ring with --file and store it with that manager",
}


class KeyPlace:
    """One file. `variable` is what is changed in a `.env` file, "" for a file that is the secret."""

    def __init__(self, path: Path, variable: str) -> None:
        self.path = path.resolve() if path.exists() else path.absolute()
        self.variable = variable
        if (path.parent / "..data").exists():
            raise ConfigError(
                "is a volume that is replaced from outside",
                where=str(path.parent),
                hint="make a ring with --file, and change the Kubernetes secret to it",
            )

    @property
    def watched(self) -> bool:
        """Whether a daemon notices a change by itself."""
        return not self.variable

    def read(self) -> str:
        """The present text, "" when there is none. Raises `ConfigError` or `OSError`."""
        text = self._text()
        if self.variable:
            return parse_dotenv(text.removeprefix("\ufeff"), self.path).get(self.variable, "").strip()
        return text.strip()

    def write(self, ring: str, step: Step) -> None:
        """Put the ring there, whole, for the owner alone. Raises `ConfigError` or `OSError`. Under a lock."""
        text = assigned(self._text(), self.path, self.variable, ring) if self.variable else ring + "\n"
        replace_whole(self.path, text.encode(), step)

    def _text(self) -> str:
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = secret_text(data) if len(data) <= MAX_BYTES and not self.variable else data.decode("utf-8", "replace")
        if text is None or len(data) > MAX_BYTES or (self.variable and "\ufffd" in text):
            raise ConfigError("is not a file of text, or too large", where=str(self.path), hint="look at it by hand")
        return text


def find(loaded: LoadedConfig, environ: Mapping[str, str], file: Path | None) -> KeyPlace:
    """Where the key is, or will be: `file` (a `.env` file, a folder of secret files, or the key's own file) when it is
    given. Raises `ConfigError` when no command can write there.
    """
    variable = loaded.secrets.variables_of(SECRET)[0]
    if file is not None:
        file = file.expanduser().absolute()
        if file.is_dir():
            return KeyPlace(file / SECRET, "")
        return KeyPlace(file, variable if ".env" in file.name else "")
    dotenv = Path.cwd() / ".env"
    written = read_dotenv(dotenv) if dotenv.is_file() else {}
    pointed = environ.get(f"{variable}_FILE") or written.get(f"{variable}_FILE")
    if pointed:
        return KeyPlace(Path.cwd() / pointed.strip(), "")
    kind, where = _source(loaded)
    if kind == "file":
        return KeyPlace(Path(where.partition(" ")[2]), "")
    if kind == "dotenv" or (not kind and dotenv.is_file()):
        return KeyPlace(dotenv, variable)
    if not kind and "file" in loaded.secrets.order:
        return KeyPlace(Path(loaded.core.secret_dir) / SECRET, "")
    raise ConfigError(
        f"comes from {kind}, which this command cannot write"
        if kind
        else "is not set, and nothing says where to keep it",
        where=variable,
        hint=_ELSEWHERE.get(kind, f"name a file with --file; {variable}_FILE then points the daemon to it"),
    )


def _source(loaded: LoadedConfig) -> tuple[str, str]:
    """The kind of source that has the key, and the source in words; "" when there is no key yet. Raises `SecretError`
    for one that is there and unfit.
    """
    if loaded.secrets.blank(SECRET) or loaded.secrets.find(SECRET) is None:
        return "", ""
    return next(((one.kind, one.source) for one in loaded.secrets.holdings() if one.secret.name == SECRET), ("", ""))
