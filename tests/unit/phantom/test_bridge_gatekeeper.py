"""Logins without a wire: what is remembered of strangers is bounded, and networks count as one address."""

from __future__ import annotations

from pathlib import Path

import pytest

from phantom.bridge.audit import Audit, rows
from phantom.bridge.catalogue import load
from phantom.bridge.gatekeeper import MAX_FAILURES, MAX_REMEMBERED, Gatekeeper, Newcomer, Refusal
from phantom.bridge.grants import Allow
from phantom.bridge.protocol import Hello
from phantom.bridge.secret_book import Entry, SecretBook, Value
from phantom.bridge.secret_value import digest
from phantom.errors import ConfigError
from phantom.metrics import PrometheusMeter
from phantom.testing.manual_clock import ManualClock

RIGHT = "the-right-secret-0001"


def board(**more: object) -> Entry:
    return Entry(id="board", allow=Allow(), values=(Value(digest=digest(RIGHT)),), **more)  # type: ignore[arg-type]


class Door:
    """A gatekeeper and somebody at the door."""

    def __init__(self, folder: Path | None, *entries: Entry) -> None:
        self.clock = ManualClock()
        audit = Audit(folder, self.clock)
        audit.open()
        book = SecretBook(entries or (board(),), None, self.clock)
        book.open()
        self.keeper = Gatekeeper(book, load([]), audit, self.clock, PrometheusMeter())

    def knock(self, address: str, secret: str = "wrong", secret_id: str | None = None, *, room: bool = True) -> str:
        """The reason of the refusal; "ok" for none."""
        who = Newcomer(connection_id="c", app_name="app", address=address)
        answer = self.keeper.check(Hello(secret=secret, secretId=secret_id), who, lambda _: room)
        return answer.reason if isinstance(answer, Refusal) else "ok"


def test_an_ipv6_network_is_one_address(tmp_path: Path) -> None:
    door = Door(tmp_path)
    for number in range(MAX_FAILURES):
        assert door.knock(f"2001:db8::{number:x}") == "invalid_secret"
    assert door.knock("2001:db8::ffff:1") == "locked_out"
    assert door.keeper.locked("2001:db8:0:0:9::1")
    assert door.knock("2001:db8:0:1::1") == "invalid_secret"
    assert door.knock("fe80::1%eth0") == door.knock("not:an:address") == "invalid_secret"


def test_locks_end_by_themselves_even_when_the_guessing_goes_on(tmp_path: Path) -> None:
    door = Door(tmp_path)
    for _ in range(MAX_FAILURES):
        door.knock("1.1.1.1")
    for _ in range(59):
        door.clock.advance(1.0)
        assert door.knock("1.1.1.1") == "locked_out"
    door.clock.advance(1.5)
    assert door.knock("1.1.1.1", RIGHT) == "ok"


def test_what_is_remembered_is_bounded() -> None:
    door = Door(None)
    keeper = door.keeper
    for number in range(MAX_REMEMBERED + 100):
        door.knock(f"a{number}", secret_id=f"nobody-{number}")
        door.knock(f"b{number}", RIGHT)
        keeper._locked_out(f"c{number}", "")
    for memory in (keeper._addresses._times, keeper._trusted, keeper._trusted_addresses, keeper._told):
        assert len(memory) == MAX_REMEMBERED
    assert not keeper._secrets._times, "ids that nobody has are not counted"


def test_one_row_for_each_login_and_a_sum_for_a_lock_out(tmp_path: Path) -> None:
    door = Door(tmp_path)
    assert door.knock("1.1.1.1", RIGHT) == "ok"
    assert door.knock("1.1.1.1", RIGHT, room=False) == "full"
    assert door.knock("1.1.1.1", RIGHT, "nobody") == "unknown_secret_id"
    for _ in range(MAX_FAILURES):
        door.knock("1.1.1.2", secret_id="board")
    for _ in range(7):
        assert door.knock("1.1.1.2", RIGHT, "board") == "locked_out"
    door.clock.advance(11.0)
    door.keeper.tick()
    written = [(row["outcome"], row.get("times")) for row in rows(tmp_path) if row["outcome"] != "invalid_secret"]
    assert written == [
        ("ok", None),
        ("full", None),
        ("unknown_secret_id", None),
        ("locked_out", None),
        ("locked_out", 6),
    ]
    assert all(row.get("secretId") in (None, "board") for row in rows(tmp_path)), "only ids that exist"


def test_an_empty_secret_opens_nothing(tmp_path: Path) -> None:
    empty = Entry(id="empty", allow=Allow(), values=(Value(digest=digest("")),))
    assert Door(tmp_path, empty).knock("1.1.1.1", "") == "invalid_secret"


def test_two_of_one_id_are_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        SecretBook((board(), board()), None, ManualClock()).open()
