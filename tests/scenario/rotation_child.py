"""Kills itself in the middle of rotations: `python rotation_child.py FOLDER` makes FOLDER/env/<n> and FOLDER/files/<n>,
rotates in each, and dies by SIGKILL before step n. Prints the names of all steps as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from config.whole_file import folder_lock
from phantom.cli.rotate_places import EnvFile, Place, SecretFiles

FRESH = "whsec_" + "Zm9v" * 10
OLD, OLDER = "old-" + "abcdefgh" * 4, "older-" + "stuvwxyz" * 4
NAMES = ("WEBHOOK_SECRET_DEFAULT", "WEBHOOK_SECRET_BACKUP")


def env_place(folder: Path) -> EnvFile:
    return EnvFile(folder / ".env", *NAMES)


def files_place(folder: Path) -> SecretFiles:
    return SecretFiles(folder / NAMES[0].lower(), folder / NAMES[1].lower())


def prepare(folder: Path, kind: str, default: str, backup: str) -> Place:
    folder.mkdir(parents=True)
    if kind == "env":
        (folder / ".env").write_text(f"# mine\n{NAMES[1]}={backup}\nX='1'\n{NAMES[0]}={default}\n")
        return env_place(folder)
    for name, text in zip(NAMES, (default, backup), strict=True):
        (folder / name.lower()).write_text(text)
        (folder / name.lower()).chmod(0o600)
    return files_place(folder)


def die_at(place: Place, number: int) -> bool:
    """Rotate in a child that dies before step `number`; False when it came to its end."""
    child = os.fork()
    if child == 0:
        left = [number]

        def step(name: str) -> None:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

        with folder_lock(place.folder):
            place.rotate(FRESH, step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(root: Path) -> None:
    deaths = {}
    for kind in ("env", "files"):
        number = 0
        while die_at(prepare(root / kind / str(number), kind, OLD, OLDER), number):
            number += 1
        deaths[kind] = number
    print(json.dumps(deaths))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
