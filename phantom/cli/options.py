"""The options that several commands share, and how flags become environment: a flag is the strongest variable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

ConfigDir = Annotated[
    Path | None,
    typer.Option("--config", metavar="DIR", help="Folder of phantom.yaml and channels.yaml.", show_default=False),
]
Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, metavar="NUMBER", help="Port of the HTTP server.", show_default="3100")
]
DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the journal.", show_default="./data")]
LogLevel = Annotated[
    str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.", show_default="info")
]
LogFormat = Annotated[str | None, typer.Option(metavar="FORMAT", help="json, console or auto.", show_default="auto")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def environment(
    *,
    host: str | None = None,
    port: int | None = None,
    data_dir: Path | None = None,
    log_level: str | None = None,
    log_format: str | None = None,
) -> Mapping[str, str]:
    """The process environment with the given flags laid over it. What a flag says is checked where variables are."""
    flags = {
        "PHANTOM_HOST": host,
        "PORT": None if port is None else str(port),
        "PHANTOM_DATA_DIR": None if data_dir is None else str(data_dir),
        "PHANTOM_LOG_LEVEL": log_level,
        "PHANTOM_LOG_FORMAT": log_format,
    }
    return {**os.environ, **{name: value for name, value in flags.items() if value is not None}}
