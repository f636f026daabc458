"""What the failure tables of the Discord pages say happens, provoked in a real daemon: its log lines and its health."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_discord.signing import new_private_key, public_key_of

HERE = Path(__file__).parent
PAGES = [HERE.parents[1] / "docs/how-to" / name for name in ("discord.md", "discord-interactions.md")]


class Watched:
    """A daemon on a FakeDiscord, and what it logged."""

    def __init__(self, fake: FakeDiscord, tmp_path: Path, **env: str) -> None:
        given = {
            "DISCORD_BOT_TOKEN": fake.token,
            "DISCORD_API_BASE_URL": fake.api_url,
            "PHANTOM_AGENT": "obedient_agent:make",
            "GATES": str(tmp_path),
        }
        self.fake = fake
        self.daemon = DaemonProcess(env=given | env, data_dir=tmp_path / "data", python_path=[HERE], ready_within=30)

    async def told(self, event: str, *words: str) -> dict[str, Any]:
        """The log line, waited for; its event and words stand in a failure table, and it names a cure or a reason."""
        wanted = (f'"event":"{event}"', *words)

        def found() -> list[str]:
            return [line for line in self.daemon.lines if all(word in line for word in wanted)]

        await self.daemon.until(lambda _: bool(found()), within=30)
        last = found()[-1]
        line: dict[str, Any] = json.loads(last)
        rows = [row for page in PAGES for row in page.read_text().splitlines() if row.startswith(f"| `{event}`")]
        assert any(all(word in row for word in words) for row in rows), (event, words, "is in no failure table")
        assert line.get("cure") or line.get("reason"), line
        assert self.fake.token not in last
        return line

    async def ask(self, text: str) -> None:
        await self.fake.post(self.fake.owner, self.fake.general, f"{self.fake.mention} {text}")


async def test_over_the_gateway(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        fake.app.commands_created[""] = 200
        here = Watched(fake, tmp_path)
        try:
            await here.daemon.start()
            assert "200 commands a day" in (await here.told("commands_not_registered", "30034"))["cure"]
            for code, cured in ((50001, "View Channel"), (50013, "Send Messages")):
                fake.faults.fail("create_message", code=code, times=3)
                await here.ask(f"with {code}")
                assert cured in (await here.told("delivery_refused", str(code)))["cure"]
                fake.faults.clear()
            fake.faults.rate_limit("create_message", retry_after=60, scope="global")
            await here.ask("too much")
            assert (await here.told("delivery_waits_for_rate_limit"))["seconds"] > 10
            assert (await here.daemon.health())["channels"]["discord"]["ok"]
            fake.faults.close_gateway(4013)
            assert "upgrade" in (await here.told("channel_credentials_refused", "this client (close code"))["cure"]
            resting = await here.daemon.until(lambda one: one["channels"]["discord"]["state"] == "auth_failed")
            health = resting["channels"]["discord"]
            assert not health["ok"]
            assert "upgrade" in health["cure"]
        finally:
            await here.daemon.aclose()


async def test_over_http(tmp_path: Path) -> None:
    """A key of another application, and clocks that differ."""
    async with FakeDiscord() as fake:
        wrong = public_key_of(new_private_key())
        here = Watched(fake, tmp_path, DISCORD_TRANSPORT="http", DISCORD_PUBLIC_KEY=wrong)
        try:
            await here.daemon.start()
            assert "phantom doctor" in (await here.told("discord_public_key_differs"))["cure"]
            fake.deliver_interactions_over_http(f"{here.daemon.url}/discord/interactions")
            assert (await fake.ping_endpoint()).status == 401
            await here.told("discord_post_refused", '"reason":"bad_signature"')
        finally:
            await here.daemon.aclose()
