"""The store of a loaded configuration: live secrets stay fresh in the background, from the service and from files."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict

import config
from config import LoadedConfig
from config.secret_store import SecretStore
from phantom.errors import MetadataError, SecretError
from phantom.secrets import Secret
from phantom.settings import Env, SecretField
from phantom.testing import FakeMetadata, ManualClock


class LineSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    token: Annotated[Secret | None, SecretField("test_line_token"), Env("LINE_TOKEN")] = None
    key: Annotated[Secret | None, SecretField("test_line_key"), Env("LINE_KEY")] = None
    key_previous: Annotated[Secret | None, SecretField("test_line_key_previous"), Env("LINE_KEY_PREVIOUS")] = None

    def handles(self) -> tuple[Secret, Secret]:
        assert self.token is not None
        assert self.key is not None
        return self.token, self.key


Load = Callable[[Mapping[str, str]], LoadedConfig]


async def fetched(store: SecretStore, *names: str) -> None:
    """Have these secrets, asked for at the same time. Raises what the first one raises."""
    await asyncio.gather(*(store.secret(name).refresh() for name in names))


async def moved_until(happened: asyncio.Event, clock: ManualClock, seconds: float) -> None:
    """Move the clock on, once more where whoever looks was still busy (or gave a slow file up) when it was moved."""
    async with asyncio.timeout(30):
        while not happened.is_set():
            await clock.run_for(seconds)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(happened.wait(), 5)


async def read_again(secret: Secret) -> bool:
    """`refresh`, once more where this machine was too busy for the file to answer in time. Raises as that does."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await secret.refresh()
            except SecretError as error:
                if "does not answer" not in error.message:
                    raise


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def load(clock: ManualClock, tmp_path: Path) -> AsyncIterator[Load]:
    async with AsyncExitStack() as stack:

        def _load(environ: Mapping[str, str]) -> LoadedConfig:
            loaded = config.load(
                config_dir=None,
                environ={"LINE_KEY": "key-from-env", **environ},
                cwd=tmp_path,
                channel_models={"line": LineSettings},
                clock=clock,
                enabled_by={"line": ("LINE_KEY",)},
            )
            stack.push_async_callback(loaded.secrets.aclose)
            return loaded

        yield _load


@pytest.fixture
async def service() -> AsyncIterator[FakeMetadata]:
    async with FakeMetadata(secrets={"test_line_token": "line-token-1", "provider_token": "provider-1"}) as running:
        yield running


def line(loaded: LoadedConfig) -> LineSettings:
    settings = loaded.channels["line"].settings
    assert isinstance(settings, LineSettings)
    return settings


async def test_live_where_no_variable_is_set(load: Load, service: FakeMetadata, clock: ManualClock) -> None:
    loaded = load({"SECRET_SOURCE": "metadata", "PHANTOM_METADATA_URL": service.url})
    token, key = line(loaded).handles()
    assert line(loaded).key_previous is None, "a live source keeps the previous value itself"
    assert key.reveal() == "key-from-env"
    assert service.requests == [], "loading asks the network for nothing"
    assert await token.refresh()
    assert token.reveal() == "line-token-1"
    assert loaded.secrets.find("test_line_token") is token
    assert set(loaded.secrets.plaintexts()) == {"key-from-env", "line-token-1"}
    rows = {row.setting: row.value for row in config.explain(loaded)}
    assert rows["line.token"] == "asked when used (secret test_line_token)"
    assert rows["line.key"] == "set (env LINE_KEY)"


async def test_a_rotation_arrives_by_itself(load: Load, service: FakeMetadata, clock: ManualClock) -> None:
    loaded = load({"SECRET_SOURCE": "metadata", "PHANTOM_METADATA_URL": service.url})
    token, _ = line(loaded).handles()
    await fetched(loaded.secrets, "test_line_token", "provider_token")
    await loaded.secrets.start()
    await loaded.secrets.start()
    told = asyncio.Event()
    token.on_change(told.set)
    service.rotate("test_line_token", "line-token-2")
    await clock.run_for(59)
    assert service.count() == 2
    await moved_until(told, clock, 6)
    assert token.candidates() == ("line-token-2", "line-token-1")
    assert {"line-token-1", "line-token-2", "provider-1"} <= set(loaded.secrets.plaintexts())
    assert loaded.secrets.warnings() == ()


async def test_a_failing_service_is_seen_and_forgotten(load: Load, service: FakeMetadata, clock: ManualClock) -> None:
    loaded = load({"SECRET_SOURCE": "metadata", "PHANTOM_METADATA_URL": service.url})
    store = loaded.secrets
    await fetched(store, "test_line_token")
    await store.start()
    service.answer_status(403, path="test_line_token", times=1)
    withdrawn = asyncio.Event()
    token, _ = line(loaded).handles()
    token.on_change(withdrawn.set)
    await moved_until(withdrawn, clock, 65)
    with pytest.raises(SecretError, match="HTTP 403"):
        token.reveal()
    (warning,) = store.warnings()
    assert warning.startswith(
        "secret test_line_token is failed: metadata: fetch test_line_token failed: HTTP 403 (let "
    )
    back = asyncio.Event()
    token.on_change(back.set)
    await moved_until(back, clock, 20)
    assert token.reveal() == "line-token-1"
    assert store.last_error == ""


async def test_stale_is_told(load: Load, service: FakeMetadata, clock: ManualClock) -> None:
    loaded = load({"SECRET_SOURCE": "metadata", "PHANTOM_METADATA_URL": service.url})
    store = loaded.secrets
    token, _ = line(loaded).handles()
    await fetched(store, "test_line_token")
    await service.go_down()
    with pytest.raises(MetadataError, match="no connection"):
        await clock.run(token.refresh())
    assert token.reveal() == "line-token-1"
    assert store.stale
    assert store.last_error.startswith("metadata: fetch test_line_token failed: no connection (is PHANTOM_METADATA_URL")
    assert [row.state for row in store.health()] == ["stale"]


async def test_the_gateway_profile_implies_the_service(load: Load, service: FakeMetadata) -> None:
    """No SECRET_SOURCE: fields stay empty, but a secret that is asked for by name comes from the service."""
    loaded = load({"PHANTOM_METADATA_URL": service.url})
    assert line(loaded).token is None
    secret = loaded.secrets.secret("test_line_token")
    await secret.refresh()
    assert secret.reveal() == "line-token-1"
    assert (await loaded.identity()).tenant_id == "tenant-1"
    await loaded.tenant_status.agent_ready("http")
    assert service.tenant_status == [("agent_ready", {"transport": "http"})]


async def test_priming_what_is_missing(load: Load, service: FakeMetadata) -> None:
    loaded = load({"SECRET_SOURCE": "metadata", "PHANTOM_METADATA_URL": service.url})
    with pytest.raises(MetadataError, match="fetch slack_app_token failed: HTTP 404"):
        await fetched(loaded.secrets, "test_line_token", "slack_app_token")
    with pytest.raises(SecretError, match="unknown secret"):
        await fetched(loaded.secrets, "nobody_knows_this")


async def test_closing_ends_what_is_under_way(load: Load, service: FakeMetadata, clock: ManualClock) -> None:
    loaded = load({"SECRET_SOURCE": "metadata", "PHANTOM_METADATA_URL": service.url})
    service.hang()
    token, _ = line(loaded).handles()
    waiting = asyncio.create_task(token.refresh())
    await service.wait_for(1)
    await loaded.secrets.start()
    await loaded.secrets.aclose()
    await asyncio.wait({waiting}, timeout=30)
    assert waiting.cancelled()


async def test_files_rotate_and_go(load: Load, clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "test_line_token"
    file.write_text("line-token-1\n")
    loaded = load({"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path)})
    token, _ = line(loaded).handles()
    assert token.reveal() == "line-token-1"
    file.write_text("line-token-2\n")
    assert await read_again(token)
    assert token.candidates() == ("line-token-2", "line-token-1")
    clock.advance(300)
    assert token.candidates() == ("line-token-2",)
    for content, says in ((b"", "is empty"), (b"\xff", "not UTF-8"), (b"x" * 70_000, "larger than 64 KiB")):
        file.write_bytes(content)
        if not content:
            assert not await read_again(token), "somebody may be writing it anew"
            clock.advance(3)
        with pytest.raises(SecretError, match=says):
            await read_again(token)
        with pytest.raises(SecretError, match=says):
            token.reveal()
    file.write_text("line-token-3")
    assert await read_again(token)
    assert token.candidates() == ("line-token-3",), "what was withdrawn does not come back"
    file.unlink()
    assert not await read_again(token)
    clock.advance(3)
    with pytest.raises(SecretError, match="has no file"):
        await read_again(token)
    assert loaded.secrets.warnings() == ("secret test_line_token is failed: secret test_line_token has no file",)


async def test_files_are_watched_in_the_background(load: Load, clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "test_line_token"
    file.write_text("line-token-1")
    loaded = load({"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path)})
    token, _ = line(loaded).handles()
    told = asyncio.Event()
    token.on_change(told.set)
    await loaded.secrets.start()
    file.write_text("line-token-2")
    await moved_until(told, clock, 10)
    assert token.reveal() == "line-token-2"
