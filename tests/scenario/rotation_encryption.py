"""The encryption key, rotated and retired `rounds` times in a running daemon under signed load: nobody is refused, what
was said stays readable to the agent and to nobody else.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from phantom.storage.key_ring import Ring, fresh_key
from phantom.storage.seal_scan import sealed_under
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario import rotation_kit as kit
from tests.scenario.encryption_kit import HERE, Place, encryption, hits, until_under


async def encryption_key(folder: Path, rounds: int) -> dict[str, float]:
    """Half of the rounds by the commands, half by replacing the file; in the middle, two rotations at once."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(transport="http"))
        signer = kit.Signer()
        here = Place(folder=folder, slack=slack)
        here.put(fresh_key().text)
        env = {
            "SLACK_TRANSPORT": "http",
            "SLACK_HTTP_PROFILE": "direct",
            "SLACK_API_BASE_URL": slack.api_url,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_SIGNING_SECRET": signer.secret,
            "PHANTOM_AGENT": "obedient_agent:make",
            "GATES": str(folder),
            "ENCRYPTION_KEY_FILE": str(here.key_file),
        }
        daemon = await stack.enter_async_context(DaemonProcess(env=env, data_dir=here.data, python_path=[HERE]))
        slack.deliver_over_http(
            daemon.url,
            profile="direct",
            secret=lambda: signer.secret,
            schedule=RetrySchedule((0.1,), forever=True),
            timeout=30.0,  # a slow answer is no refusal
        )
        users = [slack.add_user(f"u{number}") for number in range(2)]
        load = await stack.enter_async_context(kit.load(daemon))
        for name, user in zip("ab", users, strict=True):
            load.keep(f"slack{name}", kit.ask_on_slack(slack, user))
        load.keep("forged", kit.forge(load, slack, signer, "direct"), counts=False)
        await load.further()
        given = [here.ring.keys[0].text]
        for number in range(rounds):
            await _rotate(here, number)
            given.append(here.ring.keys[0].text)
            await load.further()
            await until_under(daemon, here.ring.keys[0].id)
            await _retire(here, daemon, number)
            await load.further()
        await load.end()
        await until_under(daemon, here.ring.keys[0].id)
        assert not kit.refused(slack)
        answers = kit.slack_answers(slack, users)
        assert {one: answers[one] for one in load.asked} == dict.fromkeys(load.asked, 1)
        assert sealed_under(here.data).keys() == {here.ring.keys[0].id}
        assert not [one for one in load.asked if hits(here.data, f"question {one}.")]
        assert not [key for key in given if key in daemon.output or key[13:] in daemon.output]
        assert daemon.events("row_does_not_open") == []
        return kit.figures(load)


async def _rotate(here: Place, number: int) -> None:
    if number % 2:
        here.put(Ring(keys=(fresh_key(), *here.ring.keys)).text)
    else:
        await asyncio.to_thread(here.command, "rotate", "encryption", "--write")


async def _retire(here: Place, daemon: DaemonProcess, number: int) -> None:
    """Drop the old key, which the daemon must have let go of; it takes the shorter ring."""
    sealing = here.ring.keys[0]
    if number % 2:
        here.put(sealing.text)
    else:
        await asyncio.to_thread(here.command, "retire", "encryption", "--write")
    await daemon.until(lambda health: encryption(health)["keys"] == [sealing.id])
