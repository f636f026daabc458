"""The model's key from a metadata service: whichever name it has there, and however late it comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from phantom.agents.model_key import ModelKey
from phantom.errors import SecretError
from phantom.secret_sources import ABSENT
from phantom.secrets import HeldSource, Secret
from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess, socket_env
from phantom.testing.fake_model import FakeModel
from phantom.testing.fake_slack import FakeSlack
from tests.scenario import rotation_kit as kit

KEY, OTHER = "sk-for-any-provider-0123456789", "sk-of-the-provider-0123456789"


async def test_the_first_turn_waits_for_a_key_of_either_name(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeMetadata() as metadata, FakeModel(keys=[KEY]) as model:
        model.answer_by(kit.say_answer)
        metadata.rotate("provider_token", KEY)
        gate = asyncio.Event()

        async def slow(request: web.Request) -> web.StreamResponse:
            await gate.wait()
            return web.Response(text=KEY, headers={"X-Phantom-Rotation-Id": "r0"})

        metadata.plan(slow, path="provider_token")
        env = socket_env(slack) | {
            "SECRET_SOURCE": "metadata",
            "PHANTOM_METADATA_URL": metadata.url,
            "PHANTOM_MODEL": "openai:any",
            "PHANTOM_MODEL_BASE_URL": model.openai_url,
        }
        async with DaemonProcess(env=env, data_dir=tmp_path / "data") as daemon:
            ask = kit.ask_on_slack(slack, slack.owner)
            first = asyncio.create_task(ask("1"))
            await metadata.wait_for(1, "provider_token")
            assert not model.asked
            gate.set()
            await first
            metadata.heal()
            assert [asked.key for asked in model.asked] == [KEY]
            assert "api_key" not in str((await daemon.health())["warnings"]), "that is not there is no failure"
            metadata.rotate("openai_api_key", OTHER)
            metadata.remove("provider_token")
            model.keys = {OTHER}
            await ask("2")  # the old key is refused with 401, and the origins are asked again
            assert model.asked[-1].key == OTHER
            assert KEY not in daemon.output
            assert OTHER not in daemon.output


class Absent(HeldSource):
    """A source that knows of no such secret, until it is given one."""

    def current(self) -> str:
        try:
            return super().current()
        except SecretError as error:
            raise SecretError(error.message, code=ABSENT) from None


class Hanging(HeldSource):
    """A source that was never read, and does not answer."""

    async def refresh(self) -> bool:
        await asyncio.get_running_loop().create_future()
        return False


async def test_a_failure_never_brings_back_another_key() -> None:
    own, general = Absent("own", None), HeldSource("general", "g")
    asked: list[str] = []

    def find(name: str) -> Secret | None:
        asked.append(name)
        return {"own": Secret("own", own), "general": Secret("general", general)}.get(name)

    key = ModelKey(("own", "general"), find)
    assert (await key.ready(), key.name) == ("g", "general")
    own.rotate("o")
    asked.clear()
    assert (key.reveal(), key.name) == ("o", "own")
    assert set(asked) == {"own"}, "nobody asks for the second while the first is there"
    hanging = {"own": Secret("own", Hanging("own", None)), "general": Secret("general", general)}
    failing = ModelKey(("own", "general"), hanging.get, patience=0.05)
    with pytest.raises(SecretError, match="did not answer within") as caught:
        await failing.ready()
    assert caught.value.retryable
    with pytest.raises(SecretError, match="no key"):
        ModelKey(("own",), lambda name: None).peek()
