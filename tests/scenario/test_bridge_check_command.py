"""`phantom bridge scope` and `check` through the real command: what they print, and the exit status that CI sees."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

from tests.scenario.bridge_kit import SECRET, PretendChannel, entry, running_bridge
from tests.scenario.cli_kit import phantom

MANIFEST = """
name: moderation
events: [messageCreate, guildMemberAdd]
actions: [banMember]
filters: {messageCreate: [guildId]}
"""
CONFIG = """
bridge:
  secrets:
    - id: moderation
      value: "0123456789abcdef0123456789abcdef"
      allow: {events: [messageCreate], actions: [banMember]}
"""


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def test_scope_prints_the_smallest_allow_which_check_then_accepts(tmp_path: Path) -> None:
    manifest = written(tmp_path, "app.yaml", MANIFEST)
    scope = phantom("bridge", "scope", manifest, cwd=tmp_path).stdout
    assert "the bot needs GuildMessages, GuildMembers" in scope
    allow = written(tmp_path, "allow.yaml", scope)
    said = phantom("bridge", "check", manifest, "--allow", allow, "--exact", cwd=tmp_path).stdout
    assert "fits" in said
    facts = json.loads(phantom("bridge", "scope", manifest, "--json", cwd=tmp_path).stdout)
    assert facts["allow"] == {"events": ["messageCreate", "guildMemberAdd"], "actions": ["banMember"]}


def test_check_fails_with_codes_and_cures(tmp_path: Path) -> None:
    manifest = written(tmp_path, "app.yaml", MANIFEST)
    wide = written(tmp_path, "wide.json", '{"events": "*", "actions": ["banMember", "kickMember"]}')
    assert "unused_negotiated_action" in phantom("bridge", "check", manifest, "--allow", wide, cwd=tmp_path).stdout
    report = json.loads(
        phantom(
            "bridge", "check", manifest, "--allow", wide, "--exact", "--intent", "GuildMessages", "--json",
            cwd=tmp_path, status=1,
        ).stdout
    )  # fmt: skip
    found = {issue["code"] for issue in report["issues"]}
    assert found == {
        "missing_intent",
        "missing_event_capability",
        "scope_broader_than_expected",
    }
    assert all(issue["cure"] for issue in report["issues"])
    odd = written(tmp_path, "odd.yaml", MANIFEST.replace("guildId", "emoji"))
    assert "unsupported_filter_key" in phantom("bridge", "check", odd, cwd=tmp_path, status=1).stdout
    wrong = written(tmp_path, "wrong.yaml", MANIFEST.replace("banMember", "banMembers"))
    assert "did you mean banMember?" in phantom("bridge", "check", wrong, cwd=tmp_path, status=78).stderr


def test_check_against_a_configured_secret(tmp_path: Path) -> None:
    manifest = written(tmp_path, "app.yaml", MANIFEST)
    config = ("--config", str(Path(written(tmp_path / "config", "phantom.yaml", CONFIG)).parent))
    said = phantom("bridge", "check", manifest, "--secret", "moderation", *config, cwd=tmp_path, status=1).stdout
    assert "Add guildMemberAdd to allow.events" in said
    unknown = phantom("bridge", "check", manifest, "--secret", "other", *config, cwd=tmp_path, status=78).stderr
    assert "there are: moderation" in unknown


async def test_check_against_a_running_bridge(tmp_path: Path) -> None:
    manifest = written(tmp_path, "app.yaml", MANIFEST)
    channel = PretendChannel(intents=frozenset({"GuildMessages"}))
    secret = entry(events=["messageCreate", "guildMemberAdd"], actions=["banMember"])
    async with running_bridge(tmp_path / "data", secret, channel=channel) as rig:

        def check(url: str, value: str) -> str:
            arguments = ("bridge", "check", manifest, "--url", url)
            return phantom(*arguments, cwd=tmp_path, status=1, PHANTOM_BRIDGE_SECRET=value).stdout

        assert "The bot lacks GuildMembers" in await asyncio.to_thread(check, rig.url("/bridge"), SECRET)
        refused = await asyncio.to_thread(check, rig.url("/bridge"), "not-the-secret-0001")
    assert "invalid_secret" in refused
    assert "not-the-secret" not in refused
    with socket.socket() as dead:  # bound, and nobody listens: the bridge's own port may be somebody else's by now
        dead.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{dead.getsockname()[1]}/bridge"
        assert "not_connected" in await asyncio.to_thread(check, url, SECRET)
    assert "wss://" in phantom("bridge", "check", manifest, "--url", "ws://example.com", cwd=tmp_path, status=78).stderr
