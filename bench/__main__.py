"""`python -m bench [WHICH] [--rounds N]`: run all benchmarks, or one of `CHOICES`, and print Markdown."""

from __future__ import annotations

import argparse
import os
import platform

from bench import life, receiver, sealing
from bench.bridge import rounds as bridge
from bench.discord import gateway, interactions, memory
from bench.process import CLIENT_CORE, pin

CHOICES = ("all", "life", "receiver", "sealing", "interactions", "gateway", "guilds", "bridge")


async def run(which: str, rounds: int) -> None:
    """Print what was asked for."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {rounds} rounds, medians\n")
    if which in ("all", "life"):
        print("## Start, memory, reply latency\n")
        print(await life.measure(rounds), "\n")
    if which in ("all", "receiver"):
        print("## Slack receiver: server on one core, load on the other\n")
        print(receiver.render(await receiver.measure(rounds)), "\n")
    if which in ("all", "sealing"):
        print("## Encryption of the data folder\n")
        print(await sealing.measure(rounds), "\n")
    if which in ("all", "interactions"):
        print("## Discord interactions over HTTP\n")
        print(await interactions.measure(rounds), "\n")
    if which in ("all", "gateway"):
        print("## Discord gateway: from the frame to the committed row\n")
        print(await gateway.measure(rounds), "\n")
    if which in ("all", "guilds"):
        print("## Discord: memory with one shard\n")
        print(await memory.measure(rounds), "\n")
    if which in ("all", "bridge"):
        print("## The bot bridge\n")
        print(await bridge.measure(rounds))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("which", nargs="?", default="all", choices=CHOICES)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    pin(CLIENT_CORE)
    import uvloop

    uvloop.run(run(arguments.which, arguments.rounds))


if __name__ == "__main__":
    main()
