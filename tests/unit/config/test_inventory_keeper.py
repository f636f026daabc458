"""What the daemon notes of its secrets over changes, uses, restarts, a lost key and a damaged file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import config
from config import LoadedConfig
from config.inventory import Declared, SecretRow
from config.inventory_file import InventoryFile
from config.inventory_keeper import InventoryKeeper, days
from config.rereading import reread
from phantom.testing import ManualClock

DECLARED = Declared(by_kind={"slack": ("slack_bot_token",)})


def loaded(folder: Path, clock: ManualClock, **environ: str) -> LoadedConfig:
    return config.load(
        config_dir=None,
        environ={"PHANTOM_DATA_DIR": str(folder / "data"), **environ},
        cwd=folder,
        channel_models={},
        clock=clock,
        enabled_by={},
    )


def row(keeper: InventoryKeeper, name: str = "provider_token") -> SecretRow:
    return next(one for one in keeper.rows if one.name == name)


async def opened(found: LoadedConfig, clock: ManualClock) -> InventoryKeeper:
    found.secrets.find("provider_token")
    keeper = InventoryKeeper(found, DECLARED, clock)
    await keeper.open()
    return keeper


async def test_changes_uses_and_restarts(tmp_path: Path) -> None:
    clock = ManualClock()
    dotenv = tmp_path / ".env"
    dotenv.write_text("PROVIDER_TOKEN=provider-value-1\n")
    found = loaded(tmp_path, clock)
    keeper = await opened(found, clock)
    start = clock.now()
    assert (row(keeper).first_seen, row(keeper).changed_at, row(keeper).last_used) == (start, start, None)
    assert not row(keeper, "slack_bot_token").set
    clock.advance(100)
    secret = found.secrets.secret("provider_token")
    await keeper.look()
    assert row(keeper).last_used is None, "whoever only looks does not use it"
    secret.reveal()
    await keeper.look()
    assert row(keeper).last_used == clock.now()
    dotenv.write_text("PROVIDER_TOKEN=provider-value-2\n")
    await reread(found)
    await keeper.look()
    assert (row(keeper).changes, row(keeper).changed_at) == (1, start + 100)
    await keeper.aclose()
    again = await opened(loaded(tmp_path, clock), clock)
    assert (row(again).changes, row(again).first_seen, row(again).last_used) == (1, start, start + 100)
    clock.advance(91 * 86_400)
    await again.look()
    assert again.warnings() == ("secret provider_token is overdue for rotation by 24 hours",)
    age, due = again.ages()["provider_token"]
    assert (round(age), round(due or 0)) == (91 * 86_400, -86_400)


async def test_the_first_use_is_kept_at_once_and_later_ones_every_minute(tmp_path: Path) -> None:
    clock = ManualClock()
    found = loaded(tmp_path, clock, PROVIDER_TOKEN="provider-value-1")
    keeper = await opened(found, clock)
    file, secret, used = InventoryFile(tmp_path / "data"), found.secrets.secret("provider_token"), []
    for seconds in (5, 5, 60):
        clock.advance(seconds)
        secret.reveal()
        await keeper.look()
        used.append(file.load().secrets["provider_token"].last_used)
    assert used == [clock.now() - 65, clock.now() - 65, clock.now()]


async def test_a_lost_key_is_no_rotation(tmp_path: Path) -> None:
    clock = ManualClock()
    found = loaded(tmp_path, clock, PROVIDER_TOKEN="provider-value-1")
    before = await opened(found, clock)
    InventoryFile(tmp_path / "data").key_path.unlink()
    clock.advance(50)
    after = await opened(found, clock)
    assert row(after).fingerprint != row(before).fingerprint
    assert (row(after).changes, row(after).changed_at) == (0, clock.now() - 50)


async def test_what_is_damaged_is_told_and_stays(tmp_path: Path) -> None:
    clock = ManualClock()
    found = loaded(tmp_path, clock, PROVIDER_TOKEN="provider-value-1")
    file = InventoryFile(tmp_path / "data")

    def spoil(path: Path, content: bytes, mode: int) -> Callable[[], bool]:
        path.write_bytes(content)
        path.chmod(mode)
        return lambda: path.read_bytes() == content

    await opened(found, clock)
    good = {path: path.read_bytes() for path in (file.path, file.key_path)}
    for path, content, mode, says in (
        (file.path, b"{damaged", 0o600, "is damaged"),
        (file.path, b'{"version": 7}', 0o600, "has version 7"),
        (file.path, good[file.path], 0o644, "others on this machine can read it"),
        (file.key_path, b"short", 0o600, "is damaged"),
        (file.key_path, b"", 0o600, "is damaged"),
    ):
        untouched = spoil(path, content, mode)
        keeper = await opened(found, clock)
        clock.advance(100)
        await keeper.look()
        await keeper.aclose()
        assert says in keeper.warnings()[0]
        assert untouched()
        assert row(keeper).set
        spoil(path, good[path], 0o600)
    assert (await opened(found, clock)).warnings() == ()


async def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secrets").write_text("in the way")
    keeper = await opened(loaded(tmp_path, clock, PROVIDER_TOKEN="provider-value-1"), clock)
    assert "cannot be read" in keeper.warnings()[0]
    assert row(keeper).set


async def test_two_secrets_of_one_name_and_a_twin(tmp_path: Path) -> None:
    clock = ManualClock()
    found = loaded(tmp_path, clock)
    store = found.secrets
    store.hold("slack_bot_token", "xoxb-0123456789-a", place="work.bot_token", source="file channels.yaml")
    store.hold("slack_bot_token", "xoxb-0123456789-b", place="home.bot_token", source="file channels.yaml")
    store.hold("webhook_secret_default", "same-value-same-value-same")
    store.hold("webhook_secret_backup", "same-value-same-value-same")
    keeper = InventoryKeeper(found, DECLARED, clock)
    await keeper.open()
    assert {one.name for one in keeper.rows if one.name.startswith("slack_bot_token")} == {
        "slack_bot_token",
        "slack_bot_token@home.bot_token",
    }
    assert row(keeper, "webhook_secret_backup").malformed == "is the same as webhook_secret_default"


def test_times_for_people() -> None:
    assert [days(seconds) for seconds in (0, 90, 7300, 172_800)] == ["0 seconds", "90 seconds", "2 hours", "2 days"]
