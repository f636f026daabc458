"""`phantom config show`: the settings in effect, without where they came from. Safe to paste: secrets show as names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json
from phantom.errors import EX_CONFIG


def main(*, config_dir: Path | None, environ: Mapping[str, str], as_json: bool) -> int:
    """Print `setting: value` lines. 78 when a channel's section has an error."""
    from config import explain

    loaded = load_config(config_dir, environ)
    values = {row.setting: row.value for row in explain(loaded)}
    if as_json:
        print_json(values)
    else:
        for setting, value in values.items():
            print(plain(f"{setting}: {value}"))
    return EX_CONFIG if any(channel.error for channel in loaded.channels.values()) else 0
