"""The inventory of a real daemon: what it notes and keeps, `phantom secrets list`, SIGHUP, health, metrics, doctor."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import msgspec

from config.inventory_file import InventoryFile, State
from phantom.bridge.secret_file import SecretFile, Stored, StoredAllow, StoredSecret, StoredValue
from phantom.bridge.secret_value import digest
from phantom.testing.daemon_process import DaemonProcess, gateway_env, socket_env
from phantom.testing.fake_metadata import FakeMetadata
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario.cli_kit import command, phantom
from tests.scenario.secret_sources_kit import Manager

DAY = 86_400.0
CORE = """\
secrets:
  policy: {{slack_bot_token: 30d, slack_ap_token: 1d}}
  declare: {{pinecone_api_key: vector database}}
  exec_command: [{manager}, get, '{{name}}']
  exec_missing: [44]
  exec_interval: 3600
"""


def by_name(listed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in listed["secrets"]}


def age(data: Path, **days: float) -> None:
    """Make secrets older than they are, in what a stopped daemon left."""
    file = InventoryFile(data)
    state = file.load()
    aged = dict(state.secrets)
    for name, by in days.items():
        aged[name] = msgspec.structs.replace(aged[name], changed_at=aged[name].changed_at - by * DAY)
    file.save(msgspec.structs.replace(state, secrets=aged))


async def kept(data: Path, holds: Any) -> State:
    """Wait until the daemon has written down what `holds` wants."""
    async with asyncio.timeout(30):
        while True:
            state = InventoryFile(data).load()
            if state.looked_at and holds(state):
                return state
            await asyncio.sleep(0.02)


NO_SUCH = "secrets.policy names slack_ap_token, and there is no such secret"


class Stand:
    """A deployment whose secrets come from a file, a variable and a manager, and what its commands say."""

    def __init__(self, folder: Path, slack: FakeSlack) -> None:
        self.cwd, self.files, self.data = folder, folder / "files", folder / "data"
        self.files.mkdir()
        self.slack = slack
        self.manager = Manager(folder / "m")
        self.manager.put("pinecone_api_key", "pinecone-value-1")
        self.core = CORE.format(manager=self.manager.command)
        (folder / "phantom.yaml").write_text(self.core)
        self.planted = [slack.app_token, "pinecone-value-1"]
        self.put_bot_token()
        self.env = socket_env(slack) | {
            "PHANTOM_ENV": "development",
            "SECRET_SOURCE": "file,exec",
            "PHANTOM_SECRET_DIR": str(self.files),
        }
        del self.env["SLACK_BOT_TOKEN"]
        self.printed: list[str] = []

    def put_bot_token(self) -> None:
        """Write the workspace's present bot token, as a whole."""
        fresh = self.files / "fresh"
        fresh.write_text(self.slack.bot_token)
        fresh.chmod(0o600)
        fresh.replace(self.files / "slack_bot_token")
        self.planted.append(self.slack.bot_token)

    async def run(self, *arguments: str, status: int = 0, **more: str) -> str:
        """What a command prints."""
        environ = {**self.env, "PHANTOM_DATA_DIR": str(self.data), **more}
        done = await command(*arguments, cwd=self.cwd, environ=environ, status=status)
        self.printed.append(done.stdout + done.stderr)
        return done.stdout

    async def rows(self, *flags: str, status: int = 0) -> dict[str, dict[str, Any]]:
        """`phantom secrets list --json`, by name."""
        return by_name(json.loads(await self.run("secrets", "list", "--json", *flags, status=status)))


async def test_a_daemon_keeps_the_inventory(tmp_path: Path) -> None:
    async with FakeSlack() as slack:
        stand = Stand(tmp_path, slack)
        os.utime(stand.files / "slack_bot_token", (1_700_000_000, 1_700_000_000))
        assert "no daemon has looked" in await stand.run("secrets", "list", "--offline", status=3)
        assert not stand.data.exists(), "a command that lists changes nothing"
        async with DaemonProcess(env=stand.env, data_dir=stand.data, cwd=tmp_path) as daemon:
            before = await _an_old_secret_is_seen(stand, daemon)
            await _a_rotated_file_is_noticed(stand, daemon, before)
            (tmp_path / "phantom.yaml").write_text(stand.core + "name: Other\n")
            os.kill(daemon.pid, signal.SIGHUP)
            (line,) = await daemon.until_logged("secrets_reread")
            assert line["changed"] == []
            assert (await daemon.until_logged("settings_need_restart"))[0]["settings"] == ["name"]
            assert await daemon.stop() == 0
        age(stand.data, slack_app_token=100)
        assert "OVERDUE" in await stand.run("secrets", "list", "--offline", status=3)
        doctor = json.loads(await stand.run("doctor", "--json"))
        said = [one["seen"] for one in doctor if one["check"] == "secret ages"]
        assert said == ["slack_app_token is overdue for rotation by 10 days", NO_SUCH]
        kept_files = [path.read_text("utf-8", "replace") for path in (stand.data / "secrets").iterdir()]
        everything = "\n".join([daemon.output, *stand.printed, *kept_files])
        assert not [value for value in stand.planted if value in everything]


async def _an_old_secret_is_seen(stand: Stand, daemon: DaemonProcess) -> str:
    state = await kept(
        stand.data, lambda state: "slack_bot_token" in state.secrets and state.secrets["slack_bot_token"].last_used
    )
    for name in ("inventory.json", "fingerprint.key"):
        assert stat.S_IMODE((stand.data / "secrets" / name).stat().st_mode) == 0o600
    assert state.secrets["slack_bot_token"].changed_at == 1_700_000_000, "a file says when it was written"
    health = await daemon.until(lambda health: any("is overdue for rotation by" in one for one in health["warnings"]))
    assert health["status"] == "ok", "old is not broken"
    assert NO_SUCH in health["warnings"]
    metrics = await daemon.metrics()
    assert metrics['phantom_secret_due_seconds{name="slack_bot_token"}'] < 0
    assert metrics['phantom_secret_age_seconds{name="slack_app_token"}'] < DAY
    rows = await stand.rows(status=3)
    bot = rows["slack_bot_token"]
    assert (bot["source"], bot["users"]) == (f"file {stand.files / 'slack_bot_token'}", ["slack"])
    assert bot["overdue"]
    assert bot["last_used"] is not None, "the daemon has spoken to Slack with it"
    assert rows["pinecone_api_key"]["category"] == "vector database"
    assert (rows["pinecone_api_key"]["set"], rows["pinecone_api_key"]["source"]) == (True, "exec")
    assert rows["slack_app_token"]["source"] == "env SLACK_APP_TOKEN"
    assert not rows["discord_bot_token"]["set"]
    return str(bot["fingerprint"])


async def _a_rotated_file_is_noticed(stand: Stand, daemon: DaemonProcess, before: str) -> None:
    stand.slack.app.rotate_bot_token()
    stand.put_bot_token()
    state = await kept(stand.data, lambda state: state.secrets["slack_bot_token"].changes == 1)
    await daemon.until(lambda health: not any("overdue" in line for line in health["warnings"]))
    row = (await stand.rows())["slack_bot_token"]
    assert row["changes"] == 1
    assert row["fingerprint"] == state.secrets["slack_bot_token"].fingerprint != before
    assert row["age_seconds"] < DAY


async def test_sighup_hands_on_what_env_files_and_commands_say_now(tmp_path: Path) -> None:
    manager = Manager(tmp_path / "m")
    async with FakeSlack() as slack:
        slack.sockets.schedule = RetrySchedule((0.1,), forever=True)
        manager.put("slack_app_token", slack.app_token)
        dotenv = tmp_path / ".env"
        dotenv.write_text(f"SLACK_BOT_TOKEN={slack.bot_token}\n")
        dotenv.chmod(0o600)
        (tmp_path / "phantom.yaml").write_text(CORE.format(manager=manager.command))
        env = socket_env(slack) | {"PHANTOM_ENV": "development", "SECRET_SOURCE": "exec"}
        del env["SLACK_BOT_TOKEN"], env["SLACK_APP_TOKEN"]
        async with DaemonProcess(env=env, data_dir=tmp_path / "data", cwd=tmp_path) as daemon:
            old = slack.bot_token, slack.app_token
            dotenv.write_text(f"SLACK_BOT_TOKEN={slack.app.rotate_bot_token()}\n")
            manager.put("slack_app_token", slack.app.rotate_app_token())
            os.kill(daemon.pid, signal.SIGHUP)
            (line,) = await daemon.until_logged("secrets_reread")
            assert line["changed"] == ["slack_app_token", "slack_bot_token"]
            pid = daemon.pid
            question = await slack.post(slack.owner, slack.general, f"{slack.mention} hello")
            await slack.wait_for(lambda: slack.replies(question))
            assert daemon.pid == pid
            assert not [value for value in (*old, slack.bot_token, slack.app_token) if value in daemon.output]
            rows = by_name(
                json.loads(
                    (
                        await command(
                            "secrets", "list", "--json", "--set", cwd=tmp_path, status=0,
                            environ={**env, "PHANTOM_DATA_DIR": str(tmp_path / "data")},
                        )
                    ).stdout
                )
            )  # fmt: skip
            assert set(rows) == {"slack_bot_token", "slack_app_token"}
            assert rows["slack_bot_token"]["source"] == ".env SLACK_BOT_TOKEN"


async def test_what_a_gateway_hands_out_is_listed(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeMetadata() as metadata:
        env = gateway_env(slack, metadata)
        metadata.rotate("slack_bot_token", slack.bot_token)
        done = await command("secrets", "list", "--json", "--set", cwd=tmp_path, environ=env)
        rows = by_name(json.loads(done.stdout))
        assert set(rows) == {"slack_bot_token", "slack_gateway_signing_secret"}
        bot = rows["slack_bot_token"]
        assert (bot["source"], bot["users"]) == ("metadata", ["slack"])
        assert bot["rotation_id"]
        await metadata.go_down()
        down = await command("secrets", "list", cwd=tmp_path, environ=env, status=1)
        assert "unreadable" in down.stdout
        assert "no connection" in down.stdout


def test_malformed_and_unreadable(tmp_path: Path) -> None:
    env = {"SLACK_BOT_TOKEN": "xapp-1-of-another-kind-1234", "SLACK_APP_TOKEN": "xapp-1-A-0123456789"}
    (tmp_path / "phantom.yaml").write_text("bridge:\n  secrets: [{id: desk, value: phb_nothing-of-ours}]\n")
    made = StoredSecret(allow=StoredAllow(), values=(StoredValue(hash=digest("x" * 40), created_at=1_700_000_000.0),))
    SecretFile(tmp_path / "data" / "bridge").change(lambda _: Stored(secrets={"lamp": made}))
    listed = phantom("secrets", "list", "--json", "--offline", cwd=tmp_path, status=3, **env)
    rows = by_name(json.loads(listed.stdout))
    assert rows["slack_bot_token"]["malformed"] == "is an app-level token; a bot token begins with xoxb-"
    assert rows["slack_app_token"]["malformed"] is None
    desk, lamp = rows["bridge_desk"], rows["bridge:lamp"]
    assert (desk["category"], desk["users"]) == ("bridge", ["bridge desk"])
    assert "checksum does not fit" in desk["malformed"]
    assert (lamp["source"], lamp["overdue"]) == ("phantom bridge secret", True)
    assert not [value for value in ("of-another-kind", "nothing-of-ours") if value in listed.stdout]
    only = phantom("secrets", "list", "--offline", "--category", "slack", cwd=tmp_path, status=1, **env)
    assert "slack_bot_token" in only.stdout
    assert "anthropic_api_key" not in only.stdout


def test_before_the_first_start(tmp_path: Path) -> None:
    env = {"WEBHOOK_SECRET_DEFAULT": "fake-Zq3bxckup-x7ckup-k9s2kup", "OPENAI_API_KEY": "sk-0123456789abcdefghij"}
    listed = phantom("secrets", "list", "--json", "--set", cwd=tmp_path, status=0, **env)
    assert by_name(json.loads(listed.stdout)).keys() == {"webhook_secret_default", "openai_api_key"}
    checked = phantom("doctor", "--json", "--port", "0", cwd=tmp_path, status=0, **env)
    told = [one for one in json.loads(checked.stdout) if one["check"].startswith("secret")]
    assert [one["level"] for one in told] == ["ok"], "that there is no backup is no failure"
