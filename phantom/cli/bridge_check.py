"""`phantom bridge check`: a manifest against a scope, a configured secret or a running bridge, for people and for CI.

What does *not* live here: the diagnosis itself (`phantom/bridge/diagnosis.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phantom.bridge import manifest as manifests
from phantom.bridge.catalogue import Catalogue, installed
from phantom.bridge.diagnosis import Issue, Report, Severity, diagnose, diagnose_alone
from phantom.bridge.grants import Allow
from phantom.bridge.manifest import Manifest
from phantom.bridge.scopes import (
    Capabilities,
    as_written,
    check_allow,
    generate_secret_scope,
    negotiate,
    parse_allow,
    required_intents,
)
from phantom.cli.output import Finding, print_findings, print_json
from phantom.errors import ConfigError
from phantom.findings import Level

_LEVELS = {Severity.ERROR: Level.FAIL, Severity.WARNING: Level.WARN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What the manifest is compared with: one of them, or nothing. `intents` are the bot's; `None`: all of them."""

    secret: str | None = None
    allow: Path | None = None
    url: str | None = None
    intents: frozenset[str] | None = None
    config_dir: Path | None = None


def main(path: Path, against: Against, *, environ: Mapping[str, str], exact: bool, as_json: bool) -> int:
    """1 when something does not fit. Raises `ConfigError` for files that cannot be read or say nothing sensible."""
    if sum(one is not None for one in (against.secret, against.allow, against.url)) > 1:
        raise ConfigError("only one of --secret, --allow and --url can be given", where="phantom bridge check")
    catalogue = installed()
    manifest = manifests.read(path, catalogue)
    report = _report(manifest, catalogue, against, environ, exact)
    if as_json:
        print_json(_as_json(manifest, report, catalogue))
    else:
        _print(manifest, report)
    return 0 if report.ok else 1


def _report(
    manifest: Manifest, catalogue: Catalogue, against: Against, environ: Mapping[str, str], exact: bool
) -> Report:
    expected = generate_secret_scope(manifest) if exact else None
    if against.url is not None:
        from phantom.cli.bridge_ask import ask

        answer = ask(against.url, manifest, environ)
        if isinstance(answer, Issue):
            alone = diagnose_alone(manifest, catalogue)
            return Report(
                issues=(answer, *alone.issues), required_intents=alone.required_intents, minimum=alone.minimum
            )
        return diagnose(manifest, catalogue, answer.capabilities, answer.intents, expected=expected)
    allow = _allow(against, catalogue, environ)
    if allow is None:
        return diagnose_alone(manifest, catalogue)
    intents = against.intents
    if intents is None:
        intents = frozenset(required_intents(catalogue.events, catalogue))
    capabilities: Capabilities = negotiate(allow, catalogue, intents)
    return diagnose(manifest, catalogue, capabilities, intents, expected=expected)


def _allow(against: Against, catalogue: Catalogue, environ: Mapping[str, str]) -> Allow | None:
    if against.allow is not None:
        value = manifests.read_data(against.allow)
        if isinstance(value, Mapping) and "allow" in value:
            value = value["allow"]
        return parse_allow(value, catalogue, where=f"{against.allow}: allow")
    if against.secret is not None:
        allow = _configured(against.secret, against.config_dir, environ)
        check_allow(allow, catalogue, where=f"bridge secret {against.secret}")
        return allow
    return None


def _configured(secret_id: str, config_dir: Path | None, environ: Mapping[str, str]) -> Allow:
    """The scope of a secret that the configuration or `phantom bridge secret` made."""
    from phantom.bridge.secret_file import SecretFile
    from phantom.bridge.setup import FOLDER, entries_of
    from phantom.cli.loading import load_config

    loaded = load_config(config_dir, environ)
    entries = [*entries_of(loaded.bridge.secrets), *SecretFile(loaded.core.data_dir / FOLDER).read()]
    for entry in entries:
        if entry.id == secret_id:
            return entry.allow
    known = ", ".join(sorted(entry.id for entry in entries)) or "none"
    raise ConfigError(f"there is no bridge secret {secret_id[:64]!r}", where="--secret", hint=f"there are: {known}")


def _print(manifest: Manifest, report: Report) -> None:
    findings = [
        Finding(check=issue.code, level=_LEVELS[issue.severity], seen=issue.message, cure=issue.cure)
        for issue in (*report.errors, *report.warnings)
    ]
    if report.ok:
        needs = ", ".join(report.required_intents) or "no intent"
        findings.insert(0, Finding(check=manifest.name, level=Level.OK, seen=f"fits; the bot needs {needs}"))
    print_findings(findings, as_json=False)


def _as_json(manifest: Manifest, report: Report, catalogue: Catalogue) -> dict[str, object]:
    return {
        "manifest": manifest.name,
        "ok": report.ok,
        "requiredIntents": list(report.required_intents),
        "minimum": as_written(report.minimum, catalogue),
        "issues": [
            {
                "severity": issue.severity.value,
                "code": issue.code,
                "subject": issue.subject,
                "message": issue.message,
                "cure": issue.cure,
            }
            for issue in report.issues
        ],
    }
