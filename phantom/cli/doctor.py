"""`phantom doctor`: runs every check, in the order in which a start would stumble. Nothing is changed or sent.

What does *not* live here: the checks (`doctor_machine.py`, `doctor_parts.py`, a channel's own `doctor` module).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from phantom.cli.doctor_machine import (
    check_clock,
    check_data_folder,
    check_lock,
    check_port,
    check_python,
    check_schema,
)
from phantom.cli.frame import FAILED
from phantom.cli.loading import load_config
from phantom.cli.output import Finding, print_findings
from phantom.errors import EX_CONFIG, ConfigError
from phantom.findings import Level

if TYPE_CHECKING:
    from config import LoadedConfig


def main(*, config_dir: Path | None, environ: Mapping[str, str], as_json: bool) -> int:
    """0: fine, or warnings only; 1: something fails; 78: the configuration does."""
    findings = [check_python()]
    try:
        loaded = load_config(config_dir, environ)
    except ConfigError as error:
        findings += _config_failures(error)
        print_findings(findings, as_json=as_json)
        return EX_CONFIG
    in_config = [*_about_config(loaded)]
    findings += in_config
    data_dir = loaded.core.data_dir
    findings += [check_clock(), check_data_folder(data_dir), *check_schema(data_dir), check_lock(data_dir)]
    findings.append(check_port(loaded.core.host, loaded.core.port))
    quiet_logs()
    findings += asyncio.run(_ask(loaded))
    print_findings(findings, as_json=as_json)
    if any(finding.level is Level.FAIL for finding in in_config):
        return EX_CONFIG
    return FAILED if any(finding.level is Level.FAIL for finding in findings) else 0


async def _ask(loaded: LoadedConfig) -> list[Finding]:
    """The checks that ask others, then what is known of the secrets that these asked for."""
    from phantom.cli.doctor_encryption import check_encryption
    from phantom.cli.doctor_parts import check_parts
    from phantom.cli.doctor_secrets import check_secrets

    return [*await check_parts(loaded), *await check_encryption(loaded), *await check_secrets(loaded)]


def quiet_logs() -> None:
    """Only errors, to standard error: what the checks saw is in the findings."""
    from phantom.cli.frame import redactor
    from phantom.logs import configure

    configure(redactor=redactor, level="error", log_format="console")


def _config_failures(error: ConfigError) -> list[Finding]:
    singles = getattr(error, "errors", None)
    return [
        Finding(
            check="configuration",
            level=Level.FAIL,
            seen=f"{single.where}: {single.message}" if isinstance(single, ConfigError) else str(single),
            cure=single.hint or "`phantom config explain` shows what is read from where",
        )
        for single in (singles if isinstance(singles, tuple) else (error,))
    ]


def _about_config(loaded: LoadedConfig) -> Iterable[Finding]:
    read = ", ".join(str(path) for path in loaded.files) or "environment and defaults, no file"
    yield Finding(check="configuration", level=Level.OK, seen=read)
    for notice in loaded.notices:
        yield Finding(check="configuration", level=Level.WARN, seen=notice)
    for channel in loaded.channels.values():
        if channel.error is not None:
            yield from _config_failures(channel.error)
    if not loaded.channels:
        yield Finding(
            check="channels",
            level=Level.FAIL,
            seen="no channel is configured: the daemon has nobody to talk to and does not start",
            cure="`phantom init` writes a configuration; `phantom dev` needs none",
        )
