"""What `phantom doctor` says of secrets as such: overdue, malformed, or an inventory that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phantom.cli.doctor_parts import EXPLAIN
from phantom.cli.output import Finding
from phantom.cli.secrets_list import take
from phantom.clock import SystemClock
from phantom.findings import Level

if TYPE_CHECKING:
    from config import LoadedConfig

CHECK = "secret ages"


async def check_secrets(loaded: LoadedConfig) -> list[Finding]:
    """A warning for each secret that is overdue, malformed or unfit; asks no source, since the checks before did."""
    from config.inventory_keeper import days

    listing = await take(loaded, ask=False)
    now = SystemClock().now()
    found = []
    for row in listing.rows:
        if row.unfit:
            found.append(Finding(check=CHECK, level=Level.WARN, seen=row.trouble, cure=EXPLAIN))
        if row.malformed:
            seen = f"{row.name} {row.malformed}"
            cure = f"copy it again from where it is made; it comes from {row.source}"
            found.append(Finding(check=CHECK, level=Level.WARN, seen=seen, cure=cure))
        if row.overdue(now) and row.due_at is not None:
            seen = f"{row.name} is overdue for rotation by {days(now - row.due_at)}"
            cure = "rotate it (docs/how-to/secrets.md), or set its age limit in secrets.policy"
            found.append(Finding(check=CHECK, level=Level.WARN, seen=seen, cure=cure))
    if listing.looked_at is not None and not found:
        found.append(Finding(check=CHECK, level=Level.OK, seen="no secret is overdue, malformed or unfit"))
    found += [
        Finding(check=CHECK, level=Level.WARN, seen=notice, cure="see docs/how-to/secrets.md")
        for notice in listing.notices
        if listing.looked_at is not None or not notice.startswith("no daemon")
    ]
    return found
