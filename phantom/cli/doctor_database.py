"""What `phantom doctor` says of the PostgreSQL database of turns: whether it takes us, which one it is, and our rights.

Nothing is changed there. What does *not* live here: how a connection is made (`phantom/storage/postgres_link.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from phantom.cli.output import Finding
from phantom.errors import PhantomError
from phantom.findings import Level

if TYPE_CHECKING:
    from config import LoadedConfig
    from phantom.storage.postgres_address import PostgresAddress
    from phantom.storage.postgres_link import PostgresLink, ServerFacts

CHECK = "turns database"


async def check_database(loaded: LoadedConfig) -> Sequence[Finding]:
    """Nothing where turns are in SQLite."""
    if not loaded.core.turns_database:
        return []
    from phantom.storage.postgres_address import PostgresAddress
    from phantom.storage.postgres_link import SECRET, PostgresLink
    from phantom.storage.turns_schema import known_schema_name

    address = PostgresAddress.parse(loaded.core.turns_database)
    try:
        secret = loaded.secrets.find(SECRET)
        if secret is not None:
            await secret.refresh()
        schema = await asyncio.to_thread(known_schema_name, loaded.core.data_dir.expanduser().resolve())
        link = PostgresLink(address, lambda: secret, "phantom doctor")
        facts = await asyncio.to_thread(_asked, link, schema)
    except PhantomError as error:
        return [Finding(check=CHECK, level=Level.FAIL, seen=error.message, cure=error.hint)]
    return list(_judged(facts, link, schema))


def _asked(link: PostgresLink, schema: str) -> ServerFacts:
    from phantom.storage.postgres_link import facts_of

    with link.connect() as connection:
        return facts_of(connection, schema)


def _judged(facts: ServerFacts, link: PostgresLink, schema: str) -> list[Finding]:
    from phantom.storage.postgres_link import SECRET, why_unfit

    address = link.address
    unfit = why_unfit(facts, address, schema or "phantom_…")
    if unfit is not None:
        return [Finding(check=CHECK, level=Level.FAIL, seen=unfit.message, cure=unfit.hint)]
    kept = f"schema {schema}" if schema else "its schema will be made at the start"
    seen = f"PostgreSQL {facts.version} at {address}, {'TLS' if facts.tls else 'no TLS'}; {kept}"
    found = [Finding(check=CHECK, level=Level.OK, seen=seen)]
    if link.accepted == "previous":
        cure = "finish the rotation: ALTER ROLE … PASSWORD with the value that the source has now"
        seen = f"the server still takes the value of {SECRET} before the last change, which ends with the overlap"
        found.append(Finding(check=CHECK, level=Level.WARN, seen=seen, cure=cure))
    return [*found, *_about_tls(facts, address)]


def _about_tls(facts: ServerFacts, address: PostgresAddress) -> list[Finding]:
    if address.local or (facts.tls and address.ssl_mode == "verify-full"):
        return []
    seen = (
        f"the connection is protected, but not proved to lead to {address.host} (sslmode={address.ssl_mode})"
        if facts.tls
        else "what is said there travels in the clear"
    )
    cure = "set sslmode=verify-full, with sslrootcert=FILE for an authority of your own"
    return [Finding(check=CHECK, level=Level.WARN, seen=seen, cure=cure)]
