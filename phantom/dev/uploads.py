"""Files that a page has sent and no message has shared yet."""

from __future__ import annotations

from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.methods_files import media_type_of, new_file
from phantom.testing.fake_slack.model import FakeFile

MAX_BYTES = 32 << 20
MAX_WAITING = 20
SHOWN_INLINE = frozenset({"image/png", "image/jpeg"})
"""Types that a browser may show by itself; everything else is only ever saved."""


class Uploads:
    """Keeps at most `MAX_WAITING` files; the oldest gives way."""

    def __init__(self, slack: FakeSlack) -> None:
        self._slack = slack
        self._waiting: dict[str, FakeFile] = {}

    def add(self, name: str, data: bytes, user: str) -> FakeFile:
        """A new file, not shared yet. The name loses what could be part of a path."""
        plain = "".join(char for char in name if char.isprintable() and char not in '/\\?#%"<>:*|')[-100:] or "file"
        file = new_file(self._slack.core, name=plain, data=data, user=user, media_type=media_type_of(plain))
        self._waiting[file.id] = file
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        return file

    def take(self, ids: list[str]) -> list[FakeFile]:
        """The files to share now; KeyError for one that is not waiting."""
        return [self._waiting.pop(one) for one in ids]

    def shared(self, file_id: str) -> FakeFile | None:
        """A file of the workspace."""
        return self._slack.core.workspace.files.get(file_id)
