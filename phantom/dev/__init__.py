"""`phantom dev`: the real daemon against a local Slack and Discord, with a web page to talk to it and to disturb it.

Everything runs in one process and one event loop and only on this machine. What a developer sees is what production
does: configuration, channels, journal, turns and delivery are the daemon's own code; only Slack and Discord are
`phantom.testing`'s.
What does *not* live here: anything that the daemon itself needs.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["main"]


def main(
    *, transport: str, only: str | None = None, port: int, host: str, open_browser: bool, data_dir: Path | None
) -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit status. `transport` is Slack's: `socket` or `http`; Discord's is
    told by DISCORD_TRANSPORT. `only` is `slack`, `discord` or None for both.

    `port` 0 means any free one; a taken port gives way to the next free one. Raises `ConfigError`.
    """
    from phantom.dev.run import run

    return run(transport=transport, only=only, port=port, host=host, open_browser=open_browser, data_dir=data_dir)
