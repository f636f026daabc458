"""What an encryption key costs: acknowledgements over HTTP, and the journal alone with every body kept. Alternating."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from bench import receiver
from bench.daemon import daemon
from bench.load import signed
from phantom.channel import Admission, Envelope
from phantom.journal import Journal
from phantom.metrics import PrometheusMeter
from phantom.sealing import PLAIN, AtRest
from phantom.storage.key_ring import Ring, fresh_key
from phantom.storage.vault import Vault

BODY = b'{"text":"' + b"x" * 1_080 + b'"}'
ROWS, AT_ONCE = 30_000, 64
CONNECTIONS = 64


async def measure(rounds: int) -> str:
    """A Markdown table of medians."""
    key = fresh_key()
    ways: dict[str, AtRest] = {
        "plain": PLAIN,
        "sealed": Vault(Ring(keys=(key,)), PrometheusMeter(), lambda _: None),
    }
    acks: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    rows: dict[str, list[float]] = {name: [] for name in ways}
    costs: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways) if number % 2 == 0 else list(reversed(ways))
        for name in names:
            environ = {} if name == "plain" else {"ENCRYPTION_KEY": key.text}
            async with daemon(synchronous="FULL", **environ) as rig:
                load, cpu, _ = await receiver._round(rig.daemon, signed(receiver.ROUND[CONNECTIONS]), CONNECTIONS, 200)
                acks[name].append(load.rate)
                cpus[name].append(cpu * 1e6)
            rate, cost = await _journal(ways[name])
            rows[name].append(rate)
            costs[name].append(cost * 1e6)
    lines = ["| | plain | sealed | ratio |", "|---|---:|---:|---:|"]
    for what, found in (
        (f"acks/s over HTTP, FULL, {CONNECTIONS} connections, key kept", acks),
        ("CPU µs an ack, the whole daemon", cpus),
        (f"journal rows/s, FULL, {len(BODY) / 1000:.1f} KB body kept, {AT_ONCE} at once", rows),
        ("CPU µs a row", costs),
    ):
        plain, sealed = (statistics.median(found[name]) for name in ways)
        lines.append(f"| {what} | {plain:,.1f} | {sealed:,.1f} | {sealed / plain:.2f} |")
    return "\n".join(lines)


async def _journal(at_rest: AtRest) -> tuple[float, float]:
    """Rows a second, and seconds of processor time a row."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        journal = Journal(Path(folder) / "phantom.sqlite", synchronous="FULL", meter=PrometheusMeter())
        await journal.open()
        journal.seal_with(at_rest)
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        begun = ended = 0

        def submit() -> None:
            nonlocal begun
            begun += 1
            journal.submit(Envelope("slack", "T1", str(begun), "event", BODY, 1.0), done)

        def done(admission: Admission) -> None:
            nonlocal ended
            ended += 1
            if begun < ROWS:
                submit()
            elif ended == ROWS:
                over.set_result(None)

        started, used = time.perf_counter(), time.process_time()
        for _ in range(AT_ONCE):
            submit()
        await over
        rate, cost = ROWS / (time.perf_counter() - started), (time.process_time() - used) / ROWS
        await journal.aclose()
        return rate, cost
