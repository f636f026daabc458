"""`phantom config explain`: where each setting's value came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json, print_rows
from phantom.errors import EX_CONFIG, ConfigError


def main(*, config_dir: Path | None, environ: Mapping[str, str], below: str, as_json: bool) -> int:
    """Print the rows. 78 when a channel's section has an error (the daemon would start without that channel)."""
    from config import explain

    loaded = load_config(config_dir, environ)
    rows = explain(loaded, every_secret=bool(below))
    if below:
        wanted = below.rstrip(".")
        rows = tuple(
            row
            for row in rows
            # A channel that is off says why to whoever asks for one of its settings, too.
            if row.setting in (wanted, f"secret.{wanted}")
            or row.setting.startswith(f"{wanted}.")
            or wanted.startswith(f"{row.setting}.")
        )
        if not rows:
            raise ConfigError("no such setting", where=below, hint="`phantom config explain` lists all of them")
    files = [str(path) for path in loaded.files]
    if as_json:
        print_json({"files": files, "settings": [asdict(row) for row in rows], "notices": list(loaded.notices)})
    else:
        print(plain(f"read: {', '.join(files) or 'no file; environment and defaults only'}"))
        print_rows(("setting", "value", "source"), [(row.setting, row.value, row.source) for row in rows])
        for notice in loaded.notices:
            print(plain(f"note: {notice}"))
    return EX_CONFIG if any(channel.error for channel in loaded.channels.values()) else 0
