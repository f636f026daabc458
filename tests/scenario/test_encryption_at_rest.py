"""Encryption of the data folder: nothing readable on the disk, live rotation, refusals, kills, and the way out."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from phantom.storage.key_ring import Ring, fresh_key
from phantom.storage.seal_scan import keys_noted, sealed_under
from phantom.testing.daemon_process import DaemonProcess
from tests.scenario.encryption_kit import Place, encryption, place, until_under


async def test_a_conversation_leaves_nothing_readable_and_no_start_without_its_key(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        first = here.ring.keys[0]
        async with here.daemon() as daemon:
            await here.say("gorillas gather at noon")
            await here.ask_over_webhook(daemon, "walruses wait for the tide")
            health = await until_under(daemon, first.id)
            assert (health["keys"], health["damaged"]) == ([first.id], 0)
            assert here.found() == {}
            shown = await asyncio.to_thread(here.phantom, "status", PORT=str(daemon.port))
            assert f"under the key {first.id}, everything is" in shown.stdout
            metrics = await daemon.metrics()
            assert metrics["phantom_encryption_values_left"] == 0
            assert await daemon.stop() == 0
            assert here.found() == {}, "nor after the stop"
            assert first.text not in daemon.output
            assert first.text[13:] not in daemon.output
        assert sealed_under(tmp_path / "data").keys() == {first.id}

        for key, says in ((True, f"sealing: {first.id}"), (False, f"rows are sealed with {first.id}")):
            told = await asyncio.to_thread(here.phantom, "doctor", key=key, PHANTOM_DATA_DIR=str(here.data))
            (line,) = [line for line in told.stdout.splitlines() if "encryption at rest" in line]
            assert says in line
        assert first.id in await here.refused(key=False)
        assert "PHANTOM_ENCRYPTION=off" in await here.refused(PHANTOM_ENCRYPTION="off")
        here.put(fresh_key().text)
        assert first.id in await here.refused()
        here.put(first.text[:-5] + "AAAAA")
        said = await here.refused()
        assert "damaged" in said
        assert "backup" in said
        assert first.text[-5:] not in said
        here.key_file.unlink()
        await here.refused()
        assert keys_noted(tmp_path / "data") == {first.id}

        here.put(Ring(keys=(fresh_key(), first)).text)
        async with here.daemon() as daemon:
            assert "gorillas gather at noon" in await here.recall(), "the old key still opens what was said"


async def test_plain_folder_is_sealed_rotated_live_and_made_plain_again(tmp_path: Path) -> None:
    async with place(tmp_path, first_key=False) as here:
        async with here.daemon(key=False) as daemon:
            await here.say("penguins plan in the open")
            await here.ask_over_webhook(daemon, "herons hide nothing")
            assert encryption(await daemon.health()) == {}
            assert await daemon.stop() == 0
        assert set(here.found()) == set(here.planted)

        assert "fresh key seals" in here.command("rotate", "encryption")
        assert not here.key_file.exists(), "only a plan"
        here.key_file.parent.mkdir()
        here.command("rotate", "encryption", "--write")
        assert here.key_file.stat().st_mode & 0o777 == 0o600
        (first,) = here.ring.keys
        async with here.daemon() as daemon:
            await until_under(daemon, first.id)
            await here.say("penguins plan in secret")
            await here.ask_over_webhook(daemon, "herons hide")
            assert here.found() == {}, "not even in free pages"

            here.command("rotate", "encryption", "--write")
            second, kept = here.ring.keys
            assert kept == first
            await here.say("penguins rotate")
            found = await until_under(daemon, second.id)
            assert found["may_be_retired"] == [first.id]
            assert sealed_under(here.data).keys() == {second.id}
            assert f"{first.id} dropped" in here.command("retire", "encryption", "--write")
            assert here.ring.ids == (second.id,)
            await daemon.until(lambda health: encryption(health)["keys"] == [second.id])

            await _refuse_bad_rings(here, daemon)

            here.put(f"plain,{here.ring.text}")
            await until_under(daemon, None)
            await here.say("penguins are open again")
            assert here.starts_of_sealed() == {"str"}
            assert not sealed_under(here.data)
            assert keys_noted(here.data) == set()
            assert await daemon.stop() == 0
        async with here.daemon(key=False) as daemon:
            assert "penguins plan in secret" in await here.recall()
            assert encryption(await daemon.health()) == {}


async def _refuse_bad_rings(here: Place, daemon: DaemonProcess) -> None:
    """A running daemon keeps to what it has, says so, and goes on."""
    good, sealing = here.ring.text, here.ring.keys[0].id
    bad = {fresh_key().text: sealing, good[:-3] + "AAA": "damaged", "nonsense!": "no key"}
    for number, (text, says) in enumerate(bad.items(), 1):
        here.put(text)
        told = await daemon.until_logged("encryption_key_not_taken", number)
        assert says in told[-1]["what"]
        await here.say(f"penguins go on {number}")
        health = await daemon.health()
        assert any("ENCRYPTION_KEY" in one for one in health["warnings"])
        assert encryption(health)["keys"] == [sealing]
    here.key_file.unlink()
    await daemon.until(lambda health: any("has no file" in one for one in health["warnings"]))
    await here.say("penguins need no file")
    assert here.found() == {}
    here.put(good)


async def test_a_kill_in_the_middle_of_resealing_loses_nothing(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        first = here.ring.keys[0]
        async with here.daemon(key=False) as daemon:
            await here.say("kiwi number one")
            await daemon.stop()
        many = here.add_history(3000, "a kiwi of long ago")
        async with AsyncExitStack() as stack:
            daemon = here.daemon()
            stack.push_async_callback(daemon.aclose)
            for _ in range(3):
                await _kill_in_the_middle(here, daemon)
            await daemon.start()
            await here.say("kiwis after the kills")
            await until_under(daemon, here.ring.keys[0].id)
            assert sealed_under(here.data).keys() == {here.ring.keys[0].id}
            assert here.found() == {}
            assert "kiwi number one" in await here.recall()
            assert first.text not in daemon.output
            here.put(f"plain,{here.ring.text}")
            await until_under(daemon, None)
            assert here.count_history("a kiwi of long ago") == many


async def _kill_in_the_middle(here: Place, daemon: DaemonProcess) -> None:
    """Kill it while some values are under the first key and others are not yet; then another key is the first. Where
    the daemon was quicker than this process, that key gives it the same work again.
    """
    middle = False
    async with asyncio.timeout(90):
        while not middle:
            await daemon.start(ready=False)
            await here.until_resealing()
            await daemon.kill()
            middle = len(here.starts_of_sealed()) > 1
            here.put(Ring(keys=(fresh_key(), *here.ring.keys)).text)


async def test_a_turn_that_a_kill_cut_short_is_resumed_under_another_key(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.daemon() as daemon:
        question = await here.slack.post(here.slack.owner, here.slack.dm(here.slack.owner), "gate g with an otter")
        async with asyncio.timeout(30):
            while not (tmp_path / "g.begun").exists():
                await asyncio.sleep(0.01)
        os.kill(daemon.pid, signal.SIGKILL)
        await daemon.wait()
        here.put(Ring(keys=(fresh_key(), *here.ring.keys)).text)
        (tmp_path / "g").touch()
        await daemon.start()
        await here.slack.wait_for(
            lambda: any("passed g with an otter" in one.shown for one in here.slack.replies(question))
        )
        await until_under(daemon, here.ring.keys[0].id)
        here.planted.append("with an otter")
        assert here.found() == {}
