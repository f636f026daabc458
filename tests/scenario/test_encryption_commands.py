"""`phantom secrets rotate|retire encryption`: kills at each step, two at once, refusals, and a rotation under load."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from config.dotenv import read_dotenv
from config.whole_file import folder_lock
from phantom.cli.encryption_place import KeyPlace
from phantom.storage.key_ring import Ring, fresh_key, parse_ring
from phantom.testing.fake_slack import FakeSlack
from tests.scenario.cli_kit import phantom
from tests.scenario.encryption_kit import Place, place
from tests.scenario.rotation_encryption import encryption_key


async def test_a_rotation_under_signed_load(tmp_path: Path) -> None:
    figures = await encryption_key(tmp_path, 1)
    assert figures["forged"]


def die_at(place: KeyPlace, ring: str, number: int) -> bool:
    """Write in a child that dies before step `number`; False when it came to its end."""
    child = os.fork()
    if child == 0:
        left, status = [number], 1

        def step(name: str) -> None:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

        try:
            with folder_lock(place.path.parent):
                place.write(ring, step)
            status = 0
        finally:
            os._exit(status)  # whatever happens, it goes no further than here
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("kind", ["file", "env"])
def test_a_kill_at_any_step_leaves_the_old_ring_or_the_new(tmp_path: Path, kind: str) -> None:
    old = fresh_key()
    fresh = Ring(keys=(fresh_key(), old))
    number, dies, seen = 0, True, set()
    while dies:
        path = tmp_path / str(number) / (".env" if kind == "env" else "encryption_key")
        path.parent.mkdir()
        path.write_text(f"A='1'\nENCRYPTION_KEY={old.text}\n# end" if kind == "env" else old.text)
        where = KeyPlace(path, "ENCRYPTION_KEY" if kind == "env" else "")
        dies = die_at(where, fresh.text, number)
        found = parse_ring(where.read())
        assert found in (Ring(keys=(old,)), fresh)
        assert found == fresh or dies
        seen.add(found.ids)
        assert not die_at(where, fresh.text, 99), "and the next one goes through"
        assert parse_ring(where.read()) == fresh
        assert path.stat().st_mode & 0o777 == 0o600
        number += 1
    assert len(seen) == 2
    if kind == "env":
        assert read_dotenv(path) == {"A": "1", "ENCRYPTION_KEY": fresh.text}
        assert path.read_text().endswith("\n# end")


async def test_what_the_commands_refuse(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        async with here.daemon() as daemon:
            await here.say("owls own the night")
            await daemon.stop()
        good = here.ring
        assert "one key" in here.command("retire", "encryption", "--write", status=1)
        assert "nothing says where" in here.command("rotate", "encryption", "--write", status=1, key=False)
        for damaged in (good.text[:-3] + "AAA", "something else entirely", fresh_key().text):
            here.put(damaged)
            said = here.command("rotate", "encryption", "--write", status=1)
            assert here.key_file.read_text() == damaged, "never overwritten"
            assert "refused" in said
            assert damaged[13:] not in said
        here.key_file.write_text("")
        assert good.ids[0] in here.command("rotate", "encryption", "--write", status=1)
        here.put(good.text)
        with folder_lock(here.key_file.parent):
            assert "another rotation" in here.command("rotate", "encryption", "--write", status=1)

        here.command("rotate", "encryption", "--write")
        told = json.loads(here.command("retire", "encryption", "--json", status=1))
        assert [(one["id"], bool(one["values"])) for one in told["before"]] == [
            (here.ring.ids[0], False),
            (good.ids[0], True),
        ]
        assert told["against"][0]["forceable"]
        assert good.ids[0] in told["against"][0]["what"]
        assert here.ring.ids[1:] == good.ids, "no daemon has resealed anything yet"


async def test_a_first_key_goes_where_the_configuration_will_look(tmp_path: Path) -> None:
    async with FakeSlack(transport="socket") as slack:
        here = Place(folder=tmp_path, slack=slack)
        (tmp_path / ".env").touch()
        assert "fresh key seals" in here.command("rotate", "encryption", key=False)
        (tmp_path / ".env").write_text("PHANTOM_NAME=bird\n")
        said = here.command("rotate", "encryption", "--write", key=False)
        written = read_dotenv(tmp_path / ".env")
        ring = parse_ring(written["ENCRYPTION_KEY"])
        assert written["PHANTOM_NAME"] == "bird"
        assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
        assert ring.keys[0].text not in said
        assert "back the file up" in said
        listed = json.loads(here.command("list", "--json", key=False))["secrets"]
        (row,) = [one for one in listed if one["name"] == "encryption_key"]
        assert (row["set"], row["malformed"], row["users"]) == (True, None, ["data at rest"])
        assert row["source"].startswith(".env")
        here.command("rotate", "encryption", "--write", key=False)
        again = parse_ring(read_dotenv(tmp_path / ".env")["ENCRYPTION_KEY"])
        assert again.keys[1:] == ring.keys
        here.command("retire", "encryption", "--write", key=False)
        assert parse_ring(read_dotenv(tmp_path / ".env")["ENCRYPTION_KEY"]).keys == again.keys[:1]


def test_a_key_that_is_set_to_nothing_is_not_taken_for_none(tmp_path: Path) -> None:
    channel = {"WEBHOOK_SECRET_DEFAULT": "fake-Zq3bxckup-x7ckup-k9s2kup"}
    said = phantom("start", "--port", "0", cwd=tmp_path, status=78, ENCRYPTION_KEY=" ", **channel)
    assert "secret encryption_key is empty" in said.stderr + said.stdout
    assert "give ENCRYPTION_KEY a value, or remove it" in said.stderr + said.stdout
    said = phantom("doctor", "--port", "0", cwd=tmp_path, status=1, ENCRYPTION_KEY_FILE="", **channel)
    assert "give ENCRYPTION_KEY_FILE a value" in said.stdout
    dotenv = tmp_path / ".env"
    dotenv.write_text("ENCRYPTION_KEY=\n")
    phantom("secrets", "rotate", "encryption", "--write", cwd=tmp_path)
    assert dotenv.read_text().startswith("ENCRYPTION_KEY=pek_")
