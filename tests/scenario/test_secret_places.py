"""Where secrets may lie besides variables: files that a variable names, and a folder that switches channels on; what
is said of those that cannot be read.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex

import pytest

import config
from config.exec_secrets import open_command
from config.explanation import explain
from config.rereading import reread
from config.secret_catalogue import DATABASE
from config.secrets_settings import SecretsSettings
from phantom.cli.exposure_playbook import playbook
from phantom.clock import SystemClock
from phantom.daemon import load_config
from phantom.errors import ConfigError, SecretError
from phantom.secret_sources import SourceContext
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.manual_clock import ManualClock
from tests.scenario.cli_kit import CLEAN, COMMAND
from tests.scenario.secret_sources_kit import LineSettings, Manager, load, token


async def command(*arguments: str, cwd: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=cwd,
        env={**CLEAN, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode()


async def test_a_variable_names_the_file_of_a_secret(tmp_path: Path) -> None:
    clock = ManualClock()
    file = tmp_path / "somewhere" / "token"
    file.parent.mkdir()
    file.write_text("line-token-1\n")
    loaded = load(tmp_path, {"LINE_TOKEN_FILE": "somewhere/token"}, clock, channels="line: {token: in-the-file}\n")
    secret = token(loaded)
    assert secret.reveal() == "line-token-1", "a variable wins over channels.yaml"
    row = next(row for row in explain(loaded) if row.setting == "line.token")
    assert f"from LINE_TOKEN_FILE {file}; looked at env LINE_TOKEN" in row.source
    changed = asyncio.Event()
    secret.on_change(changed.set)
    await loaded.secrets.start()
    (fresh := file.with_name("fresh")).write_text("line-token-2")
    fresh.replace(file)
    async with asyncio.timeout(30):
        while not changed.is_set():  # a look at a disk that is slow for once is given up, and made again
            await clock.wait_for_sleepers()
            await clock.run_for(1)
    assert secret.reveal() == "line-token-2"
    assert secret.reveal_previous() == "line-token-1"
    await loaded.secrets.aclose()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"LINE_TOKEN": "line-token-1", "LINE_TOKEN_FILE": "token"}, "both LINE_TOKEN and LINE_TOKEN_FILE are set"),
        ({"LINE_TOKEN_FILE": "nowhere"}, "has no file"),
        ({"LINE_TOKEN_FILE": "token", "PHANTOM_ENV": "production"}, "everyone on this machine may read"),
    ],
)
def test_a_named_file_that_is_unfit_is_made_up_for_by_nothing(
    tmp_path: Path, environ: dict[str, str], says: str
) -> None:
    (tmp_path / "token").write_text("line-token-1")
    (tmp_path / "test_line_token").write_text("line-token-2")
    elsewhere = {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path)}
    loaded = load(tmp_path, environ | elsewhere, ManualClock())
    with pytest.raises(ConfigError) as caught:
        token(loaded)
    assert says in caught.value.message
    assert "line-token" not in str(caught.value)


def test_sources_before_env_win_over_named_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("line-token-1")
    (tmp_path / "test_line_token").write_text("line-token-2")
    environ = {"LINE_TOKEN_FILE": "token", "PHANTOM_SECRET_DIR": str(tmp_path)}
    assert token(load(tmp_path, environ | {"SECRET_SOURCE": "file,env"}, ManualClock())).reveal() == "line-token-2"
    assert token(load(tmp_path, environ | {"SECRET_SOURCE": "file"}, ManualClock())).reveal() == "line-token-1"


@pytest.mark.parametrize("how", ["folder", "variable", "nothing"])
def test_a_secret_that_lies_ready_switches_its_channel_on(tmp_path: Path, how: str) -> None:
    """As in the Docker example: `SECRET_SOURCE=file`, mounted files, and not one more setting."""
    config.secret_names.declare(["test_line_token"], by="test")
    (tmp_path / "test_line_token").write_text("line-token-1")
    environ = {
        "folder": {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path)},
        "variable": {"TEST_LINE_TOKEN_FILE": "test_line_token"},
        "nothing": {"PHANTOM_SECRET_DIR": str(tmp_path)},
    }[how]
    loaded = config.load(
        config_dir=None,
        environ=environ,
        cwd=tmp_path,
        channel_models={"line": LineSettings},
        clock=ManualClock(),
        enabled_by={"line": ("TEST_LINE_TOKEN",)},
    )
    assert set(loaded.channels) == (set() if how == "nothing" else {"line"})


def test_a_command_sees_what_it_needs_and_what_is_named(tmp_path: Path) -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/root",
        "XDG_CONFIG_HOME": "/x",
        "SSL_CERT_FILE": "/c",
        "AWS_PROFILE": "p",
        "AWS_REGION": "r",
        "VAULT_TOKEN": "v",
        "SLACK_BOT_TOKEN": "s",
        "HTTPS_PROXY": "h",
    }
    settings = SecretsSettings(exec_command=("x", "{name}"), exec_environment=("AWS_*", "HTTPS_PROXY"))
    context = SourceContext(
        clock=SystemClock(),
        production=False,
        overlap=1,
        variable=environ.get,
        options={"settings": settings, "variables": tuple(environ)},
    )
    reader = open_command(context)._reader
    assert vars(reader)["_environ"].keys() == environ.keys() - {"VAULT_TOKEN", "SLACK_BOT_TOKEN"}
    for wrong in ("*", "A*", "AWS*", "_*", "AWS_*_X", "A B"):
        with pytest.raises(ValueError, match="neither a variable's name"):
            SecretsSettings(exec_environment=(wrong,))


async def test_what_cannot_be_read_is_named_by_every_command_and_the_daemon(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    files = {"empty_one": b"", "binary_one": bytes(range(128, 192)), "huge_one": b"a" * 70_000, "short_one": b"ab1"}
    declared = {
        **dict.fromkeys(files, "plugin"),
        "dir_one": "broker",
        "umlaut_password": DATABASE.title(),
    }
    (folder / "dir_one").mkdir()
    (folder / "umlaut_password").write_text("pässwört with spaces")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (tmp_path / "phantom.yaml").write_text(f"secrets: {{declare: {json.dumps(declared)}}}\n")
    async with FakeSlack() as slack:
        (folder / "slack_bot_token").write_text(slack.bot_token)
        (folder / "slack_app_token").write_text(slack.app_token)
        for path in folder.iterdir():
            path.chmod(0o700 if path.is_dir() else 0o600)
        environ = {
            "SECRET_SOURCE": "file",
            "PHANTOM_SECRET_DIR": str(folder),
            "SLACK_API_BASE_URL": slack.api_url,
        }
        says = {
            "secret empty_one is empty",
            "secret binary_one is not UTF-8 text",
            "secret huge_one is larger than 64 KiB",
            "secret dir_one cannot be read: Is a directory",
            "secret short_one is shorter than 8 characters",
        }
        async with DaemonProcess(env=environ, data_dir=tmp_path / "data", cwd=tmp_path) as daemon:
            async with asyncio.timeout(30):
                while not says <= set((health := await daemon.health())["warnings"]):
                    await SystemClock().sleep(0.05)
            assert not [line for line in health["warnings"] if "umlaut" in line], "a password may be of any characters"
            environ["PORT"] = str(daemon.port)
            status, out = await command("secrets", "list", "--set", cwd=tmp_path, environ=environ)
            assert status == 1
            assert {line.removeprefix("note: ") for line in out.splitlines()} >= says
            assert out.count("unreadable") == 4
            _, doctor = await command("doctor", cwd=tmp_path, environ=environ)
            assert all(line.removeprefix("secret ") in doctor for line in says)
            _, explained = await command("config", "explain", "empty_one", cwd=tmp_path, environ=environ)
            assert "not valid: secret empty_one is empty" in explained
            assert f"looked at env EMPTY_ONE, .env EMPTY_ONE, file {folder / 'empty_one'}" in explained


async def test_doctor_asks_a_command_before_the_platform(tmp_path: Path) -> None:
    manager = Manager(tmp_path / "manager")
    async with FakeSlack() as slack:
        manager.put("slack_bot_token", slack.bot_token)
        manager.put("slack_app_token", slack.app_token)
        (tmp_path / "phantom.yaml").write_text(manager.yaml())
        environ = {"SECRET_SOURCE": "exec", "SLACK_TRANSPORT": "socket", "SLACK_API_BASE_URL": slack.api_url}
        status, out = await command("doctor", cwd=tmp_path, environ={**environ, "PATH": os.environ["PATH"]})
        assert status == 0, out
        assert "has not been asked" not in out
        (tmp_path / "phantom.yaml").write_text(manager.yaml(declare="{queue_password: broker}"))
        manager.how("queue_password", "sys.exit(9)")
        status, out = await command("doctor", cwd=tmp_path, environ={**environ, "PATH": os.environ["PATH"]})
        assert (status, "secret queue_password: the command ended with status 9" in out) == (1, True)
        status, out = await command("secrets", "list", "--set", cwd=tmp_path, environ=environ)
        assert (status, "note: secret queue_password: the command ended with status 9" in out) == (1, True)
        _, out = await command("config", "explain", "slack", cwd=tmp_path, environ=environ)
        assert "asked when used (secret slack_signing_secret)" in out, "nobody knows before it was asked"


def test_an_open_dotenv_is_noticed_in_development(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("LINE_TOKEN=line-token-1\n")
    dotenv.chmod(0o600)
    assert not load(tmp_path, {}, ManualClock()).notices
    dotenv.chmod(0o644)
    assert f"everyone on this machine may read it (chmod 600 {dotenv})" in load(tmp_path, {}, ManualClock()).notices[0]


def test_the_same_mistake_without_a_setting(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a-key-that-nobody-has")
    environ = {"ANTHROPIC_API_KEY": "sk-ant-made-up", "ANTHROPIC_API_KEY_FILE": "key"}
    loaded = load(tmp_path, environ, ManualClock())
    with pytest.raises(SecretError, match="both ANTHROPIC_API_KEY and ANTHROPIC_API_KEY_FILE are set"):
        loaded.secrets.find("anthropic_api_key")
    assert loaded.secrets.why_unfit("anthropic_api_key")


async def test_secrets_of_webhook_endpoints_need_no_declaration(tmp_path: Path) -> None:
    for name in ("webhook_orders", "webhook_orders_backup"):
        (tmp_path / name).write_text(token_hex(32))
    (tmp_path / "channels.yaml").write_text(
        "webhook: {endpoints: {orders: {secret_default: '${secret:webhook_orders}',"
        " secret_backup: '${secret:webhook_orders_backup}'}}}\n"
    )
    environ = {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path)}
    status, out = await command("secrets", "list", "--set", "--json", cwd=tmp_path, environ=environ)
    assert status == 0
    rows = {row["name"]: row for row in json.loads(out)["secrets"]}
    assert rows["webhook_orders"]["category"] == rows["webhook_orders_backup"]["category"] == "webhook shared secrets"
    loaded = load_config(None, environ, tmp_path, SystemClock())
    play = playbook("webhook_orders", None, loaded)
    assert play.rotate[0].startswith("phantom secrets rotate webhook --endpoint orders --write --force")
    status, out = await command("config", "explain", "webhook_orders", cwd=tmp_path, environ=environ)
    assert (status, f"file {tmp_path / 'webhook_orders'}" in out) == (0, True)


async def test_a_pointer_that_moves_while_the_daemon_runs_is_told(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("line-token-1")
    (tmp_path / ".env").write_text("LINE_TOKEN_FILE=one\n")
    loaded = load(tmp_path, {}, ManualClock())
    assert token(loaded).reveal() == "line-token-1"
    (tmp_path / ".env").write_text("LINE_TOKEN_FILE=two\n")
    found = await reread(loaded)
    assert found.gone == (f"LINE_TOKEN_FILE {tmp_path / 'one'}",), "the path itself needs a restart"
    assert token(loaded).reveal() == "line-token-1"
    await loaded.secrets.aclose()
