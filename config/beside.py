"""What stands beside a secret that rotates.

Who rotates gives the old value to the backup before the default gets another one. So whoever learns of a new default
takes the backup first, and the old value counts somewhere at any moment, also where rotations have no overlap.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from phantom.errors import MetadataError, SecretError
from phantom.secrets import SecretSource

S = TypeVar("S")


def beside(name: str, sources: Mapping[str, S]) -> list[S]:
    """Of `sources`, by name, those that take the old value of `name`."""
    names = (f"{name.removesuffix('_default')}_backup", f"{name}_previous")
    return [sources[one] for one in names if one in sources]


async def take_first(backups: Iterable[SecretSource]) -> None:
    """Have each ask its origin now. A failure is the backup's own affair, which records and logs it."""
    for backup in backups:
        with contextlib.suppress(MetadataError, SecretError):
            await backup.refresh()
