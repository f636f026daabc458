"""Where the daemon finds its secrets, live: the metadata service (`metadata`), or files in a folder (`file`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phantom.testing.fake_metadata import FakeMetadata

IDENTITY: dict[str, Any] = {
    "tenant_id": "local",
    "tenant_slug": "local",
    "region": "local",
    "host_id": "local",
    "env": "development",
}


class SecretDesk:
    """Hands out secrets by name; `give` again is a rotation, which the daemon notices by itself."""

    def __init__(self, source: str, folder: Path) -> None:
        self.source = source
        self._folder = folder
        self._metadata = FakeMetadata(identity=dict(IDENTITY))

    def introduce(self, **facts: object) -> None:
        """Add to the identity that the metadata service tells."""
        self._metadata.identity = {**self._metadata.identity, **facts}

    def give(self, name: str, text: str) -> None:
        """Hand out `text` under this name from now on."""
        if self.source == "metadata":
            self._metadata.rotate(name, text)
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        fresh = self._folder / f".{name}"
        fresh.touch(mode=0o600)
        fresh.write_text(text)
        fresh.replace(self._folder / name)

    def variables(self) -> dict[str, str]:
        """What leads the daemon here."""
        found = {"PHANTOM_METADATA_URL": self._metadata.url, "SECRET_SOURCE": self.source}
        return found | ({"PHANTOM_SECRET_DIR": str(self._folder)} if self.source == "file" else {})

    async def __aenter__(self) -> SecretDesk:
        await self._metadata.come_up()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._metadata.go_down()
