"""`phantom secrets exposed` against platforms that take and refuse tokens: what is done, seen and written down."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import stat
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from config.inventory import take_stock
from config.inventory_file import InventoryFile
from phantom.bridge.audit import Audit
from phantom.cli.bridge_ask import login
from phantom.cli.exposure_check import Asking, check
from phantom.cli.exposure_playbook import Family, Playbook, family_of, playbook
from phantom.cli.exposure_storing import how_to_store
from phantom.cli.incident_record import CLOSED, Incident, render
from phantom.clock import SystemClock
from phantom.daemon import declared_secrets, load_config
from phantom.secrets import held
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_model import FakeModel
from phantom.testing.fake_slack import FakeSlack
from scripts.reference import pages
from tests.scenario.bridge_kit import SECRET, entry, running_bridge
from tests.scenario.cli_kit import CLEAN, COMMAND

OLD_BRIDGE = ("bridge", "secret", "new", "board", "--event", "*", "--action", "*")


async def ran(
    *arguments: str, cwd: Path, environ: Mapping[str, str], value: str = "", status: int = 0
) -> tuple[str, dict[str, Any]]:
    """Everything that a command wrote, and its answer when it was asked for JSON."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=cwd,
        env={**CLEAN, **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(value.encode()), 60)
    said = out.decode() + err.decode()
    assert process.returncode == status, said
    return said, json.loads(out) if "--json" in arguments and out else {}


def states(answer: Mapping[str, Any]) -> dict[str, str]:
    return {step["step"]: step["state"] for step in answer["steps"]}


async def test_a_slack_token_is_revoked_seen_refused_and_written_down(tmp_path: Path) -> None:
    async with FakeSlack() as slack:
        token = slack.bot_token
        environ = {
            "SLACK_API_BASE_URL": slack.api_url,
            "SLACK_BOT_TOKEN": token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_ALLOWED_USERS": "U1,U2",
        }
        exposed = ("secrets", "exposed", "SLACK_BOT_TOKEN", "--stdin", "--json")
        where = ("--where", f"a ticket that quotes {token}")
        first, answer = await ran(*exposed, cwd=tmp_path, environ=environ, value=token + "\n", status=1)
        assert states(answer) == {"revoke": "remaining", "rotate": "remaining", "verify": "failed"}
        assert "STILL ACCEPTS" in answer["steps"][2]["what"]
        assert answer["scope"]["used by"] == "slack"
        assert answer["scope"]["who may talk to slack"] == "2 allowed users"

        second, answer = await ran(*exposed, "--revoke", *where, cwd=tmp_path, environ=environ, value=token, status=3)
        assert states(answer) == {"revoke": "done", "rotate": "remaining", "verify": "done"}
        assert "set SLACK_BOT_TOKEN where the daemon's environment comes from" in answer["steps"][1]["lines"]
        record = Path(answer["record"])
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700
        written = record.read_text()
        assert "a ticket that quotes" in written
        assert "Slack revoked the token (auth.revoke)" in written
        assert token not in first + second + written

        replaced = environ | {"SLACK_BOT_TOKEN": "xoxb-1-the-next-one"}
        _, answer = await ran(*exposed, "--revoke", cwd=tmp_path, environ=replaced, value=token)
        assert set(states(answer).values()) == {"done"}
        assert [Path(answer["record"])] == list(record.parent.iterdir()), "one exposure is one record"
        written = record.read_text()
        assert written.count("## Once more, ") == 2
        assert written.endswith(CLOSED)
        _, answer = await ran(*exposed, "--revoke", cwd=tmp_path, environ=replaced, value=token)
        assert len(list(record.parent.iterdir())) == 2, "what is closed stays as it is"


async def test_a_bridge_secret_shows_who_used_it_and_is_gone_once_revoked(tmp_path: Path) -> None:
    environ = {"SLACK_BOT_TOKEN": "xoxb-1-2", "SLACK_APP_TOKEN": "xapp-1-2", "PORT": "1"}
    _, answer = await ran(*OLD_BRIDGE, "--json", cwd=tmp_path, environ=environ)
    value = answer["value"]
    audit = Audit(tmp_path / "data" / "bridge", SystemClock(), max_bytes=0)
    audit.open()
    for action in ("postMessage", "postMessage", "addReaction"):
        audit.row("action", secretId="board", app="dash", address="192.0.2.7", action=action, outcome="ok")
    audit.row("action", secretId="other", app="else", address="192.0.2.8", action="postMessage", outcome="ok")
    audit.close()
    exposed = ("secrets", "exposed", "bridge:board", "--json")
    _, answer = await ran(*exposed, cwd=tmp_path, environ=environ, status=3)
    assert answer["scope"]["bridge audit: actions"] == "postMessage 2, addReaction 1"
    assert answer["scope"]["bridge audit: addresses"] == "192.0.2.7"
    _, answer = await ran(*exposed, "--stdin", cwd=tmp_path, environ=environ, value=value, status=1)
    assert answer["steps"][2]["what"] == "the bridge still accepts it, as board"
    said, answer = await ran(*exposed, "--stdin", "--revoke", cwd=tmp_path, environ=environ, value=value)
    assert states(answer) == {"revoke": "done", "rotate": "done", "verify": "done"}
    assert value not in said


async def test_values_go_in_by_standard_input_only_and_are_never_repeated(tmp_path: Path) -> None:
    token = "xoxb-1-" + "0123456789"
    said, _ = await ran("secrets", "exposed", token, cwd=tmp_path, environ={}, status=78)
    assert "not a value" in said
    assert token not in said
    said, _ = await ran("secrets", "exposed", "slack_bot_tokn", cwd=tmp_path, environ={}, status=78)
    assert "did you mean slack_bot_token?" in said
    stdin = ("secrets", "exposed", "openai_api_key", "--stdin")
    said, _ = await ran(*stdin, cwd=tmp_path, environ={}, value="two\nlines", status=78)
    assert "is not one line" in said


async def test_a_running_bridge_is_asked_by_a_login(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, entry()) as rig:
        assert await login(rig.url(), held("exposed", SECRET)) is True
        assert await login(rig.url(), held("exposed", "another-value-of-length")) is False
        gone = rig.url()
    assert await login(gone, held("exposed", SECRET)) is None


def test_at_a_terminal_it_asks_and_shows_nothing_that_is_typed(tmp_path: Path) -> None:
    """The value is typed unseen; what people did is theirs to say. Nobody answers at port 1."""
    environ = CLEAN | {"PHANTOM_MODEL": "openai:any", "PHANTOM_MODEL_BASE_URL": "http://127.0.0.1:1/v1"}
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        os.execvpe(COMMAND[0], [*COMMAND, "secrets", "exposed", "openai_api_key"], environ)  # noqa: S606
    said = ""
    answers = [("Enter to go on without", "a-key-typed-unseen"), ("is that done?", "y"), ("is that done?", "n")]
    try:
        while chunk := os.read(terminal, 4096).decode(errors="replace"):
            said += chunk
            if answers and answers[0][0] in said.rpartition("\x00")[2]:
                os.write(terminal, answers.pop(0)[1].encode() + b"\n")
                said += "\x00"  # what was asked before is answered
    except OSError:
        pass  # how Linux tells that the other side of a terminal is gone
    _, ended = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(ended) == 3, said
    assert not answers
    assert "a-key-typed-unseen" not in said
    (record,) = (tmp_path / "data" / "incidents").iterdir()
    assert "revoke: done, as the operator says" in record.read_text()


def asking(name: str, value: str, environ: Mapping[str, str], folder: Path) -> Asking:
    clock = SystemClock()
    loaded = load_config(None, environ, folder, clock)
    return Asking(value=held("exposed", value), name=name, family=family_of(name, None), loaded=loaded, clock=clock)


async def test_discord_and_model_providers_are_asked_whether_they_take_the_old_value(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, FakeModel(keys=["the-new-key"]) as model:
        environ = {"DISCORD_API_BASE_URL": discord.api_url, "DISCORD_BOT_TOKEN": discord.token}
        environ |= {"DISCORD_APPLICATION_ID": discord.app.id}
        live = asking("discord_bot_token", discord.token, environ, tmp_path)
        assert (await check(live)).accepted is True
        assert playbook("discord_bot_token", None, live.loaded).page.endswith(f"/{discord.app.id}/bot")
        dead = discord.token[:-4] + "dead"
        assert (await check(asking("discord_bot_token", dead, environ, tmp_path))).accepted is False
        for provider, base in (("openai", model.openai_url), ("anthropic", model.anthropic_url)):
            environ = {"PHANTOM_MODEL": f"{provider}:any", "PHANTOM_MODEL_BASE_URL": base}
            for key, accepted in (("the-new-key", True), ("the-old-key", False)):
                answer = await check(asking(f"{provider}_api_key", key, environ, tmp_path))
                assert (answer.accepted, provider) == (accepted, provider)
    environ = {"PHANTOM_MODEL": "openai:any", "PHANTOM_MODEL_BASE_URL": "http://127.0.0.1:1/v1"}
    silent = await check(asking("openai_api_key", "the-old-key", environ, tmp_path))
    assert silent.accepted is None
    assert "could not be asked" in silent.said


def test_every_secret_that_phantom_knows_has_a_playbook(tmp_path: Path) -> None:
    from config.secret_names import BUILT_IN

    loaded = load_config(None, {}, tmp_path, SystemClock())
    for name in BUILT_IN:
        play = playbook(name, None, loaded)
        assert play.family is not Family.OTHER, name
        assert play.revoke, name
        assert play.verify, name
        assert play.rotate or play.family is Family.PUBLIC, name


def test_the_template_in_the_docs_is_an_empty_record() -> None:
    page = pages()["docs/reference/incident-record.md"]
    empty = render(Incident(name="NAME", opened_at=0))
    assert [line for line in empty.splitlines() if line.startswith("#")][1:] == [
        line for line in page.splitlines() if line.startswith("## ")
    ]


def test_a_record_masks_what_looks_like_a_token() -> None:
    token = "xoxb-123456789012-" + "abcdefghij"
    assert token not in render(Incident(name="slack_bot_token", opened_at=1.0, leaked=f"seen as {token}"))


async def test_a_webhook_secret_is_dead_once_its_commands_were_run_as_they_stand(tmp_path: Path) -> None:
    old = token_hex(32)
    (tmp_path / ".env").write_text(f"WEBHOOK_SECRET_DEFAULT={old}\n")
    exposed = ("secrets", "exposed", "webhook", "--stdin", "--json")
    _, answer = await ran(*exposed, cwd=tmp_path, environ={}, value=old, status=1)
    commands = [line.partition("  #")[0] for line in answer["steps"][1]["lines"] if line.startswith("phantom ")]
    assert len(commands) == 2
    await ran(*commands[0].split()[1:], cwd=tmp_path, environ={})
    _, answer = await ran(*exposed, cwd=tmp_path, environ={}, value=old, status=1)
    assert answer["steps"][1]["lines"] == commands[1:], "it is the backup now, and only that is left"
    await ran(*commands[1].split()[1:], cwd=tmp_path, environ={})
    _, answer = await ran(*exposed, cwd=tmp_path, environ={}, value=old)
    assert set(states(answer).values()) == {"done"}


async def test_what_a_running_daemon_still_holds_is_not_called_dead(tmp_path: Path) -> None:
    old, folder = token_hex(32), tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    secret = folder / "webhook_secret_default"
    secret.write_text(old)
    secret.chmod(0o600)
    own = {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(folder)}
    exposed = ("secrets", "exposed", "webhook_secret_default", "--stdin", "--json")
    async with DaemonProcess(env=own, data_dir=tmp_path / "data") as daemon:
        await seen(tmp_path / "data", "webhook_secret_default")
        environ = {**own, "PORT": str(daemon.port)}
        _, answer = await ran(
            *exposed,
            cwd=tmp_path,
            environ={**environ, "PHANTOM_SECRET_DIR": str(tmp_path), "WEBHOOK_SECRET_DEFAULT": token_hex(32)},
            value=old,
            status=1,
        )
        assert answer["steps"][1]["what"] == "the running daemon still holds it: webhook_secret_default"
        assert states(answer) == {"revoke": "remaining", "rotate": "remaining", "verify": "failed"}

        fresh = folder / "new"
        fresh.write_text(token_hex(32))
        fresh.chmod(0o600)
        fresh.replace(secret)
        await seen(tmp_path / "data", "webhook_secret_default", changes=1)
        _, answer = await ran(*exposed, cwd=tmp_path, environ=environ, value=old, status=3)
        assert "may accept it until" in answer["steps"][2]["what"], "the overlap of the rotation"
    _, answer = await ran(*exposed, cwd=tmp_path, environ=own, value=old)
    assert set(states(answer).values()) == {"done"}


async def seen(data: Path, name: str, *, changes: int = 0) -> None:
    """Wait until the daemon has noted the secret."""
    file, clock = InventoryFile(data), SystemClock()
    async with asyncio.timeout(30):
        while (one := file.load().secrets.get(name)) is None or one.changes < changes:
            await clock.sleep(0.05)


def test_pages_and_commands_are_those_of_this_deployment(tmp_path: Path) -> None:
    (tmp_path / "acme_token").write_text("a-token-of-acme")
    application = b64encode(b"110000000000000000").decode().rstrip("=")
    environ = {
        "SLACK_BOT_TOKEN": "xoxb-1-made-up-token",
        "SLACK_APP_TOKEN": "xapp-1-A0FAKE00001-2-made-up",
        "DISCORD_BOT_TOKEN": f"{application}.made-up.made-up-made-up-made-up",
        "ACME_TOKEN_FILE": str(tmp_path / "acme_token"),
    }
    (tmp_path / "phantom.yaml").write_text("secrets: {declare: {acme_token: plugin}}\n")
    loaded = load_config(None, environ, tmp_path, SystemClock())
    loaded.secrets.find("acme_token")
    rows = {row.name: row for row in take_stock(loaded, declared_secrets(loaded), None, ())}

    def play(name: str) -> Playbook:
        return playbook(name, rows[name], loaded)

    assert play("slack_bot_token").page == "https://api.slack.com/apps/A0FAKE00001/oauth"
    assert play("slack_app_token").page == "https://api.slack.com/apps/A0FAKE00001/general"
    assert play("discord_bot_token").page == "https://discord.com/developers/applications/110000000000000000/bot"
    old = tmp_path / "acme_token"
    assert f"cp -p {old} {old}.new && cat > {old}.new && mv {old}.new {old}" in play("acme_token").rotate[-1]
    for source, says in (
        ("acme", "put it into the source acme"),
        (".env ACME_TOKEN", f"edit ACME_TOKEN in {Path.cwd() / '.env'}"),
        ("file /run/credentials/phantom.service/acme_token", "LoadCredential=acme_token"),
        ("exec", "the manager that the command asks"),
    ):
        assert says in how_to_store("acme_token", replace(rows["acme_token"], source=source), loaded)[0]
