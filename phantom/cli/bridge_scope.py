"""`phantom bridge scope`: the smallest scope of a manifest, fit to be pasted into a configuration."""

from __future__ import annotations

from pathlib import Path

from phantom.bridge import manifest as manifests
from phantom.bridge.catalogue import installed
from phantom.bridge.scopes import as_written, generate_secret_scope, required_intents
from phantom.cli.output import print_json


def main(path: Path, *, as_json: bool) -> int:
    """Prints YAML, or JSON. Raises `ConfigError` for a manifest that cannot be."""
    catalogue = installed()
    manifest = manifests.read(path, catalogue)
    allow = as_written(generate_secret_scope(manifest), catalogue)
    intents = required_intents(manifest.events, catalogue)
    if as_json:
        print_json({"allow": allow, "intents": list(intents)})
        return 0
    lines = [f"# {manifest.name}: the bot needs {', '.join(intents) or 'no intent'}", "allow:"]
    for axis, names in allow.items():
        lines.append(f"  {axis}:" if names else f"  {axis}: []")
        lines += [f"    - {name}" for name in names]
    print("\n".join(lines))
    return 0
