"""Signals at moments when no event loop takes them: before a daemon has got so far, and when it is as good as gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess, socket_env
from phantom.testing.fake_slack import FakeSlack

FIRST = """
import os, signal, sys
from phantom import cli, early_signals
early_signals.heed()
os.kill(os.getpid(), signal.SIGHUP)
sys.argv = ["phantom", "start"]
cli.main()
"""
LAST = """
import os, signal, sys
from phantom import early_signals

class Last:
    def __del__(self, kill=os.kill, pid=os.getpid(), numbers=(signal.SIGHUP, signal.SIGTERM)):
        for number in numbers:
            kill(pid, number)

last = Last()  # goes when Python takes itself apart
early_signals.heed()
early_signals.ignore()
sys.exit(3)
"""


def test_signals_of_the_last_moment_do_not_change_the_status() -> None:
    ran = subprocess.run([sys.executable, "-c", LAST], capture_output=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (3, b"")


async def test_a_hang_up_during_the_start_is_obeyed_after_it(tmp_path: Path) -> None:
    command = (sys.executable, "-c", FIRST)
    async with FakeSlack() as slack:
        daemon = DaemonProcess(env=socket_env(slack), data_dir=tmp_path / "data", command=command)
        try:
            await daemon.start()
            (reread,) = await daemon.until_logged("secrets_reread")
            assert reread["failed"] == []
            assert await daemon.stop() == 0
        finally:
            await daemon.aclose()
        # What stands in the environment is looked for there again, though the process has forgotten it.
        assert not daemon.events("secrets_gone_but_in_use"), daemon.output
        assert not daemon.events("settings_need_restart"), daemon.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_the_imports_is_obeyed_at_once(number: signal.Signals) -> None:
    """Also as process 1 of a container, to which a signal that it does not handle is not delivered."""
    code = "from phantom import early_signals; early_signals.heed(); print(flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        process.wait(timeout=60)  # with its stdin open: the end of that would be another reason to end
        assert process.stderr is not None
        trouble = process.stderr.read()
    assert (process.returncode, trouble) == (0, b"")


async def test_a_stop_does_not_wait_for_what_the_start_waits_for(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeMetadata() as metadata:
        metadata.hang(path="encryption_key")
        env = {"PHANTOM_METADATA_URL": metadata.url, "PHANTOM_ENCRYPTION": "required", "SECRET_SOURCE": "env metadata"}
        daemon = DaemonProcess(env=socket_env(slack) | env, data_dir=tmp_path / "data")
        try:
            await daemon.start(ready=False)
            await metadata.wait_for(1, "encryption_key", timeout=30)
            assert await daemon.stop() == 0, daemon.output
        finally:
            await daemon.aclose()
        assert daemon.events("stopped_while_starting")
        assert "Traceback" not in daemon.output, daemon.output
