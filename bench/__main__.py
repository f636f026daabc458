"""`python -m bench [receiver|life] [--rounds N]`: run benchmarks and print Markdown."""

from __future__ import annotations

import argparse
import os
import platform

from bench import life, receiver
from bench.process import CLIENT_CORE, pin


async def run(which: str, rounds: int) -> None:
    """Print what was asked for."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {rounds} rounds, medians\n")
    if which in ("all", "life"):
        print("## Start, memory, reply latency\n")
        print(await life.measure(rounds), "\n")
    if which in ("all", "receiver"):
        print("## Receiver: server on one core, load on the other\n")
        print(receiver.render(await receiver.measure(rounds)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("which", nargs="?", default="all", choices=("all", "receiver", "life"))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    pin(CLIENT_CORE)
    import uvloop

    uvloop.run(run(arguments.which, arguments.rounds))


if __name__ == "__main__":
    main()
