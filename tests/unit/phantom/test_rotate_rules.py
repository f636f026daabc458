"""When the webhook secret may be rotated, and when its backup may go."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from phantom.cli.rotate_places import EnvFile, Pair, Place, SecretFiles
from phantom.cli.rotate_rules import Evidence, against_retiring, against_rotating, fresh_like

A = "whsec_" + b64encode(bytes(range(32))).decode()
B = "whsec_" + b64encode(bytes(range(32, 64))).decode()
HOUR = 3600.0
NOW = 1000 * HOUR
STILL = Evidence(counted=True, last_used=NOW - 25 * HOUR, since=NOW - 48 * HOUR)


@pytest.fixture
def env(tmp_path: Path) -> EnvFile:
    (tmp_path / ".env").write_text("")
    return EnvFile(tmp_path / ".env", "D", "B")


def rotating(place: Place, default: str, backup: str, evidence: Evidence = STILL) -> str:
    pair = Pair(default=default, backup=backup, written_at=0)
    found = against_rotating(pair, place, evidence, now=NOW, window=24 * HOUR)
    return "; ".join(f"{one.what}{' (force)' if one.forceable else ''}" for one in found)


def retiring(place: Place, default: str, backup: str, evidence: Evidence = STILL) -> str:
    pair = Pair(default=default, backup=backup, written_at=0)
    return "; ".join(one.what for one in against_retiring(pair, place, evidence, now=NOW, window=24 * HOUR))


@pytest.mark.parametrize(
    ("default", "backup", "why"),
    [
        (A, "", ""),
        (A, B, ""),
        (A, A, "B is the same secret as D"),
        ("", B, "D is empty"),
        ("short", "", "D has 5 characters; at least 24 are needed"),
        (A + "\nx", "", "D has more than one line"),
        ("ä" * 30, "", "D holds characters other than printable ASCII"),
        (A, "short", "B has 5 characters; at least 24 are needed"),
    ],
)
def test_values_that_cannot_be_rotated(env: EnvFile, default: str, backup: str, why: str) -> None:
    assert rotating(env, default, backup) == why


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        (Evidence(counted=True, last_used=None, since=NOW - 25 * HOUR), ""),
        (Evidence(counted=True, last_used=None, since=NOW - HOUR), "B is only 60 minutes old"),
        (Evidence(counted=True, last_used=None, since=NOW + HOUR), "B is only 0 seconds old"),
        (Evidence(counted=True, last_used=NOW - 23 * HOUR, since=0), "B is in use: it verified a post 23 hours ago"),
        (Evidence(counted=True, last_used=NOW + HOUR, since=0), "B is in use"),
        (Evidence(counted=False, last_used=None, since=0), "no daemon has counted"),
    ],
)
def test_a_backup_that_is_needed_stays(env: EnvFile, evidence: Evidence, why: str) -> None:
    for found in (rotating(env, A, B, evidence), retiring(env, A, B, evidence)):
        assert found.startswith(why)
        assert bool(found) == bool(why)
    assert not why or rotating(env, A, B, evidence).endswith("(force)")


def test_an_interrupted_rotation_of_files_goes_on(tmp_path: Path) -> None:
    (tmp_path / "d").write_text(A)
    files = SecretFiles(tmp_path / "d", tmp_path / "b")
    assert rotating(files, A, A, Evidence(counted=True, last_used=NOW, since=NOW)) == ""


def test_a_backup_that_lets_nobody_in_may_go_at_once(env: EnvFile) -> None:
    busy = Evidence(counted=False, last_used=NOW, since=NOW)
    assert retiring(env, A, A, busy) == ""
    assert retiring(env, A, "short", busy) == ""
    assert retiring(env, A, "") == "B is not set: there is nothing to retire"
    assert "all there is" in retiring(env, "", B)


def test_a_fresh_secret_looks_like_the_one_before() -> None:
    assert fresh_like(A).startswith("whsec_")
    assert len(fresh_like("ab12" * 16)) == 64
    assert fresh_like("some-other-text-of-mine-0123") != fresh_like("some-other-text-of-mine-0123")
