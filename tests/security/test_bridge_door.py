"""The bridge's door: who may connect from where, over what, and what gets into logs and the audit on the way."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from config.bridge_settings import BridgeSettings
from phantom.bridge.secret_book import Entry
from phantom.bridge.server import MAX_UNKNOWN
from phantom.bridge.setup import BridgeService, entries_of
from phantom.errors import ConfigError
from phantom.journal import Journal
from phantom.metrics import PrometheusMeter
from phantom.outgoing import Outgoing
from phantom.redaction import Redactor
from phantom.testing.manual_clock import ManualClock
from tests.scenario.bridge_kit import SECRET, PretendChannel, RawApp, entry, running_bridge, soon


@contextmanager
def logged() -> Iterator[list[Any]]:
    """Every log line, as its facts."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@asynccontextmanager
async def service(
    folder: Path, clock: ManualClock, *, daemon_host: str = "127.0.0.1", **settings: Any
) -> AsyncIterator[BridgeService]:
    """The bridge as the daemon makes it, over the real settings."""
    meter = PrometheusMeter()
    folder.mkdir(exist_ok=True)
    journal = Journal(folder / "journal.sqlite", synchronous="NORMAL", meter=meter)
    await journal.open()
    made = BridgeService(
        BridgeSettings.model_validate(settings),
        channels={"discord": PretendChannel()},
        data_dir=folder,
        host=daemon_host,
        clock=clock,
        meter=meter,
        journal=journal,
        outgoing=Outgoing(Redactor(), clock, meter),
    )
    try:
        await made.open()
        if not made.shares_port:
            await made.listen()
        yield made
    finally:
        await made.aclose()
        await journal.aclose()


def secret(**more: Any) -> dict[str, Any]:
    return {"id": "board", "value": SECRET, "allow": {"events": ["messageCreate"]}, **more}


# --- where it listens ---


@pytest.mark.parametrize(
    ("settings", "host", "refused"),
    [
        ({}, "127.0.0.1", False),
        ({}, "127.5.5.5", False),
        ({}, "::1", False),
        ({}, "localhost", False),
        ({}, "0.0.0.0", True),
        ({}, "::", True),
        ({}, "192.0.2.1", True),
        ({}, "127.0.0.1.example.com", True),
        ({"behind_tls_proxy": True}, "0.0.0.0", False),
        ({"host": "0.0.0.0", "port": 1}, "127.0.0.1", True),
    ],
)
async def test_beyond_this_machine_only_with_tls(
    tmp_path: Path, settings: dict[str, Any], host: str, refused: bool
) -> None:
    made = service(tmp_path, ManualClock(), daemon_host=host, **settings)
    if refused:
        with pytest.raises(ConfigError) as error:
            await made.__aenter__()
        assert "without TLS" in error.value.message
        assert "PHANTOM_BRIDGE_TLS_CERTIFICATE" in error.value.hint
        assert "PHANTOM_BRIDGE_BEHIND_TLS_PROXY" in error.value.hint
    else:
        async with made:
            pass


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed pair for 127.0.0.1."""
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)),
    )
    return pem, key


async def name_of(port: int) -> str:
    """The name in the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    for name in ("first", "second"):
        if name.encode() in shown:
            return name
    return "?"


async def test_tls_of_its_own_follows_its_files(tmp_path: Path) -> None:
    clock = ManualClock()
    (pem, key), (other_pem, other_key) = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    first = pem.read_bytes(), key.read_bytes()
    tls: dict[str, Any] = {"tls_certificate": pem, "tls_key": key, "port": 0, "host": "127.0.0.1"}
    async with service(tmp_path, clock, secrets=[secret()], **tls) as made:
        context = ssl.create_default_context(cafile=str(pem))
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"wss://127.0.0.1:{made.port}/bridge", ssl=context) as socket,
        ):
            app = RawApp(socket, 3)
            await app.send("auth.hello", {"secret": SECRET})
            await app.expect("auth.ok")
            with pytest.raises(aiohttp.ClientError):
                await http.ws_connect(f"ws://127.0.0.1:{made.port}/bridge")

            pem.write_bytes(other_pem.read_bytes())  # half of the change: the old pair stays in use
            await clock.run_for(6.0)
            assert await name_of(made.port) == "first"
            assert made.report().state == "troubled"
            key.write_bytes(other_key.read_bytes())
            await clock.run_for(6.0)
            assert await name_of(made.port) == "second"
            assert made.report().state == "serving"
            pem.write_bytes(b"no certificate")
            await clock.run_for(6.0)
            assert await name_of(made.port) == "second"
            pem.write_bytes(first[0])
            key.write_bytes(first[1])
            await clock.run_for(6.0)
            assert await name_of(made.port) == "first"
            await app.settled()


async def test_strangers_on_its_own_port(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with service(tmp_path, ManualClock(), secrets=[secret()], host="127.0.0.1") as made:
        for garbage in (
            b"\x16\x03\x01\x00",
            b"GET / HTTP/1.1\r\nX: \x1b[2J\r\n\r\n",
            b"GET /bridge?shown-to-nobody HTTP/1.1\r\nHost: h\r\n\r\n",
            b"POST /shown-to-nobody HTTP/9\r\n\r\n",
            b"",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(garbage)
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 30)
            assert b" 101 " not in answer
            assert b"shown-to-nobody" not in answer
            assert b"aiohttp" not in answer, "versions are for those who may log in"
            writer.close()
        assert not caplog.text
        with pytest.raises(ConfigError) as error:
            async with service(tmp_path / "other", ManualClock(), host="127.0.0.1", port=made.port):
                pass
        assert "PHANTOM_BRIDGE_PORT" in error.value.hint


async def test_a_certificate_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path, "first")
    locked = tmp_path / "locked.key"
    openssl("ec", "-aes256", "-passout", "pass:secret", "-in", str(key), "-out", str(locked))
    for used in (locked, pem, tmp_path / "absent"):
        with pytest.raises(ConfigError) as error:
            async with service(tmp_path, ManualClock(), tls_certificate=pem, tls_key=used, host="127.0.0.1"):
                pass
        assert "unencrypted key" in error.value.hint


@pytest.mark.parametrize(
    "settings",
    [
        {"tls_certificate": "a.pem", "port": 1},
        {"tls_certificate": "a.pem", "tls_key": "a.key"},
        {"origins": ["*"]},
        {"origins": ["dash.example.com"]},
        {"origins": ["https://dash.example.com/path"]},
        {"origins": ["https://"]},
        {"secrets": [{"id": "x"}]},
        {"secrets": [secret(hash="sha256:" + "0" * 64)]},
        {"secrets": [secret(alow={})]},
        {"secrets": [secret(allow={"events": "messageCreate"})]},
        {"secrets": [secret(within={"servers": ["1"]})]},
        {"secrets": [secret(limits={"connections": -1})]},
        {"secrets": [secret(expires="2030-01-01T00:00:00")]},
        {"secrets": [secret(id="Board")]},
        {"secrets": [secret(id="board\n")]},
        {"secrets": [{"id": "board", "hash": "0" * 64}]},
        {"typo": 1},
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        BridgeSettings.model_validate(settings)


@pytest.mark.parametrize(
    "value", ["", "   ", "too-short-value", " padded-padded-padded ", "two\nlines-two-lines-two", "phb_" + "0" * 49]
)
def test_values_that_are_no_secrets(value: str) -> None:
    settings = BridgeSettings.model_validate({"secrets": [secret(value=value)]})
    with pytest.raises(ConfigError) as error:
        entries_of(settings.secrets)
    assert "phantom bridge secret new" in error.value.hint
    assert not value.strip() or value not in str(error.value)


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        ([secret(), secret()], "twice"),
        ([secret(allow={"events": ["messageCreated"]})], "messageCreated"),
        ([secret(allow={"actions": ["sendMessages"]})], "sendMessages"),
    ],
)
async def test_scopes_that_are_refused_at_the_start(tmp_path: Path, secrets: list[Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        async with service(tmp_path, ManualClock(), secrets=secrets):
            pass
    assert told in error.value.message + error.value.hint
    assert error.value.hint


async def test_nothing_is_granted_that_is_not_written(tmp_path: Path) -> None:
    def events(**allow: Any) -> int:
        [one] = entries_of(BridgeSettings.model_validate({"secrets": [secret(allow=allow)]}).secrets)
        return len(one.allow.events)

    assert events() == events(actions=["*"]) == events(events=[]) == 0
    async with running_bridge(tmp_path, entry(events=[], actions=[])) as rig, rig.app() as app:
        assert app.welcome["capabilities"] == {"events": [], "actions": []}
    async with running_bridge(tmp_path, raw_methods=frozenset({"x"})) as rig, rig.app() as app:
        assert "runRaw" not in app.welcome["capabilities"]["actions"], "an opt-in action must be named"


async def test_an_unwritable_data_folder_keeps_only_the_bridge_from_serving(tmp_path: Path) -> None:
    (tmp_path / "bridge").write_text("not a folder")
    with pytest.raises(ConfigError) as error:
        async with service(tmp_path, ManualClock(), secrets=[secret()]):
            pass
    assert "audit cannot be written" in error.value.message


# --- who knocks ---


async def test_origins(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, aiohttp.ClientSession() as http:
        for origin in ("https://evil.example", "null", "http://127.0.0.1", f"http://127.0.0.1:{rig.port}", ""):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(rig.url(), headers={"Origin": origin})
            assert refused.value.status == 403
        async with http.get(f"http://127.0.0.1:{rig.port}/bridge") as plain:
            assert plain.status == 426
        assert not rig.audit


async def test_the_address_behind_a_proxy_is_what_the_proxy_saw(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, behind_proxy=True) as rig:
        for headers in (
            [("X-Forwarded-For", "9.9.9.9, 1.2.3.4")],
            [("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-For", "1.2.3.4")],
            [("X-Forwarded-For", "1.2.3.4")],
        ):
            async with rig.app(headers=CIMulti(headers)):
                assert rig.audit[-1]["address"] == "1.2.3.4"
        async with rig.app():
            assert rig.audit[-1]["address"] == "127.0.0.1"
    async with running_bridge(tmp_path) as rig, rig.app(headers={"X-Forwarded-For": "1.2.3.4"}):
        assert rig.audit[-1]["address"] == "127.0.0.1", "nobody else is believed"


def many_sockets() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def test_silent_sockets_do_not_keep_out_who_says_hello(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, many_sockets() as http, rig.app() as working:
        sockets = [await http.ws_connect(rig.url()) for _ in range(MAX_UNKNOWN + 10)]
        for socket in sockets[:10]:
            assert await RawApp(socket, 2).closed() == 4029, "the oldest had to go"
        async with rig.app() as app:
            await app.settled()
            assert len(rig.bridge.apps) == 2
        await working.settled()
        await asyncio.gather(*(socket.close() for socket in sockets))
        await soon(lambda: len(rig.bridge._connections) == 1)


async def test_a_full_bridge(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, max_connections=2) as rig, rig.app(secret=None) as early, rig.app() as app:
        async with rig.app():
            async with rig.app(secret=None) as late:
                assert await late.closed() == 4029
            await early.send("auth.hello", {"secret": SECRET})
            assert (await early.expect("auth.error"))["payload"]["reason"] == "invalid_secret"
            assert await early.closed() == 4029
        await soon(lambda: len(rig.bridge.apps) == 1)
        async with rig.app() as again:
            await again.settled()
        await app.settled()


async def test_a_hello_that_comes_too_late_or_with_company(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_bridge(tmp_path, clock=clock) as rig, rig.app(secret=None) as slow, rig.app(secret=None) as app:
        await slow.settled()  # asking is no hello
        await clock.run_for(4.0)
        await app.send("auth.hello", {"secret": SECRET, "future": {"a": [1]}}, more="unknown keys are no harm")
        await app.expect("auth.ok")
        await clock.run_for(2.0)
        assert await slow.closed() == 4001
        await app.settled()


@pytest.mark.parametrize(
    "hello",
    [
        {"secret": "x" * 513},
        {"secret": SECRET, "secretId": "x" * 129},
        {"secret": SECRET, "appName": "x" * 129},
        {"secret": SECRET, "appName": {"a": 1}},
        {"secret": [SECRET]},
        {"secret": None},
        {"secret": SECRET, "secretId": 5},
        {"secret": True},
        {"secret": SECRET, "appName": "x" * 60_000},
    ],
)
async def test_hellos_of_the_wrong_shape(tmp_path: Path, hello: dict[str, Any]) -> None:
    async with running_bridge(tmp_path) as rig:
        for version in (2, 3):
            async with rig.app(secret=None, version=version) as app:
                await app.send("auth.hello", hello)
                assert await app.closed() == 4004
        assert not rig.bridge.apps


async def test_what_an_app_calls_itself_cannot_forge_a_line(tmp_path: Path) -> None:
    nasty = 'board\n2030 [info] bridge_app_joined secret=admin\x1b[2J\u202e"}'
    with logged() as lines:
        async with running_bridge(tmp_path) as rig, rig.app(appName=nasty) as app:
            await app.subscribe({"name": "nothing\x1b[2J"}, {"name": "typingStart", "filter": {"x\n": "y"}})
            await app.send("action.request", {"name": "nothing\x1b[2J", "data": {}}, "request\x1b\n")
            await app.read()
            assert len(rig.bridge.apps) == 1
    text = "\n".join(str(value) for line in lines for value in line.values())
    text += "".join(str(row.get("app", "")) for row in rig.audit)
    assert "\x1b" not in text
    assert "\n2030" not in text
    assert "\u202e" not in text
    assert all(json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines())


async def test_no_secret_gets_into_logs_audit_or_answers(tmp_path: Path) -> None:
    guess = "a-guess-that-nobody-should-read"
    with logged() as lines:
        async with running_bridge(tmp_path) as rig:
            async with rig.app(secretId="dashboard") as app:
                report = str(rig.bridge.apps)
                answer = await app.act("sendMessage", {"channelId": guess})
            async with rig.app(secret=None) as app:
                await app.send("auth.hello", {"secret": guess, "secretId": "dashboard"})
                refusal = await app.expect("auth.error")
    everything = str(lines) + str(rig.audit) + str(answer) + str(refusal) + report + rig.meter.render().decode()
    assert SECRET not in everything
    assert guess not in everything
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.is_file()}
    assert set(modes.values()) == {0o600}, modes


def fastest(work: Callable[[], object], times: int) -> float:
    """Seconds that this thread computes for one call, as the best of several rounds has it."""
    rounds = []
    for _ in range(7):
        began = time.thread_time()
        for _ in range(times):
            work()
        rounds.append((time.thread_time() - began) / times)
    return min(rounds)


async def test_what_a_stranger_sends_costs_next_to_nothing(tmp_path: Path) -> None:
    class NoWire:
        def write(self, messages: bytes) -> None: ...
        def waiting(self) -> int:
            return 0

        def close(self, code: int, reason: str) -> None: ...
        def cut(self) -> None: ...

    async with running_bridge(tmp_path, *(entry(f"s{n}", value=f"value-of-secret-{n:04}") for n in range(200))) as rig:

        def hears(frame: str) -> Callable[[], None]:
            def hear() -> None:
                connection = rig.bridge.open(NoWire(), f"10.0.0.{os.urandom(1)[0]}")
                connection.receive(frame)
                rig.bridge.closed(connection)

            return hear

        hello = '{"v":2,"type":"auth.hello","payload":{"secret":"0123456789012345678901234567"}}'
        assert len(hello) == 80 - 1
        assert fastest(hears(hello), 50) < 0.0005
        for body in ("[" * 60_000, "[" * 30_000 + "]" * 30_000, '{"a":' * 12_000, "[" + "1," * 30_000 + "1]"):
            nested = '{"v":2,"type":"auth.hello","payload":' + body + "}"
            assert fastest(hears(nested), 5) < 0.005, body[:20]


def CIMulti(pairs: list[tuple[str, str]]) -> Any:
    """Headers of which one may be there twice."""
    from multidict import CIMultiDict

    return CIMultiDict(pairs)


def test_an_entry_shows_no_value() -> None:
    settings = BridgeSettings.model_validate({"secrets": [secret()]})
    [made] = entries_of(settings.secrets)
    assert isinstance(made, Entry)
    assert SECRET not in repr(made) + repr(settings) + str(settings.model_dump())
