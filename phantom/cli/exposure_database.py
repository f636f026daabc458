"""Asks the PostgreSQL server of turns whether it still takes an exposed password. What does *not* live here: what the
operator is told to do (`exposure_playbook.py`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from phantom.errors import ConnectError, StorageError
from phantom.secrets import Secret

if TYPE_CHECKING:
    from config import PhantomSettings


async def is_accepted(password: Secret, core: PhantomSettings) -> bool | None:
    """None when turns are not in PostgreSQL. Raises `ConnectError` when the server cannot be asked."""
    if not core.turns_database:
        return None
    from phantom.storage.postgres_address import PostgresAddress
    from phantom.storage.postgres_link import REFUSED, PostgresLink

    link = PostgresLink(PostgresAddress.parse(core.turns_database), lambda: password, "phantom secrets exposed")
    try:
        (await asyncio.to_thread(link.connect)).close()
    except StorageError as error:
        if error.code == REFUSED:
            return False
        raise ConnectError(error.message, hint=error.hint) from error
    return True
