"""Answers of the webhook channel: waited for, fetched later, called back; what fails on the way, where none may go."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook, WebhookVerificationError

from channels.webhook.callbacks import AT_ONCE
from channels.webhook.pinned import PinnedClient
from channels.webhook.settings import EndpointSettings
from channels.webhook.tasks import FILE
from phantom.messages import OutboundMessage, Outcome, Tone
from phantom.secrets import HeldSource, Secret
from tests.scenario.webhook_kit import (
    BACKUP,
    OTHER,
    SECRET,
    callback_server,
    cycling,
    plain,
    running,
    standard,
    until,
    wired,
)


async def test_a_synchronous_post_gets_the_answer_and_so_does_its_twin(tmp_path: Path) -> None:
    async with wired(tmp_path) as wire, running(wire):
        body = orjson.dumps({"text": "what is up?", "conversation": "ops", "user": {"id": "ann", "name": "Ann"}})
        headers = standard(body)
        first, second = (asyncio.create_task(wire.post(body, headers)) for _ in range(2))
        message = await wire.until_asked()
        assert (message.text, message.author.id, message.author.display_name) == ("what is up?", "default:ann", "Ann")
        assert message.conversation.place == "ops"
        receipt = await wire.answer(message, "all is well")
        told = {"task": message.message_id, "status": "answered", "conversation": "ops", "text": "all is well"}
        assert await first == (200, told)
        assert await second == (200, told)
        assert await wire.post(body, headers) == (200, told)
        assert receipt.message_ids == (message.message_id,)
        assert await wire.fetch(message.message_id) == (200, told)
        assert len(wire.inbox.envelopes) == 1
        assert (await wire.answer(message, "all is well")).message_ids == receipt.message_ids
        assert (await wire.fetch(message.message_id))[1]["text"] == "all is well", "said once"


async def test_failures_and_refusals_say_so(tmp_path: Path) -> None:
    async with wired(tmp_path) as wire, running(wire):
        asked = asyncio.create_task(wire.ask({"text": "break"}))
        await wire.answer(await wire.until_asked(), "something went wrong", tone=Tone.ERROR)
        status, answer = await asked
        assert (status, answer["status"], answer["text"]) == (502, "failed", "something went wrong")
        asked = asyncio.create_task(wire.ask({"text": "may I?"}))
        message = await wire.until_asked(2)
        # The engine's word to somebody who may not talk answers no message (`SideEvents.refuse`).
        await wire.channel.send(
            OutboundMessage(
                conversation=message.conversation,
                text="not set up to talk to you",
                idempotency_key=f"refused/{message.event_id}/0",
                tone=Tone.NOTICE,
                respond_url=message.respond_url,
            )
        )
        assert (await asked)[0] == 403


async def test_a_deadline_is_504_and_the_answer_can_be_fetched(tmp_path: Path) -> None:
    async with wired(tmp_path, deadline=0.1) as wire:
        async with running(wire):
            status, late = await wire.ask({"text": "slow"}, sign=plain)
            assert (status, late["status"]) == (504, "pending")
            task = late["task"]
            assert (await wire.fetch(task))[0] == 202
            assert (await wire.fetch("task_" + "0" * 32))[0] == 404
        async with running(wire):  # a restart of the channel forgets nothing
            assert (await wire.fetch(task, sign=plain))[0] == 202
            await wire.answer(await wire.until_asked(), "at last")
            status, answer = await wire.fetch(task)
            assert (status, answer["text"]) == (200, "at last")


async def test_a_stop_answers_whoever_waits_and_too_many_do_not_wait(tmp_path: Path) -> None:
    async with wired(tmp_path, max_waiting=1) as wire:
        async with running(wire):
            first = asyncio.create_task(wire.ask({"text": "one"}))
            await wire.until_asked()
            assert (await wire.ask({"text": "two"}))[0] == 503
        status, answer = await first
        assert (status, answer["status"]) == (504, "pending")


async def test_a_callback_is_signed_and_tried_until_it_is_taken(tmp_path: Path) -> None:
    async with callback_server() as server, wired(tmp_path, backup=BACKUP) as wire, running(wire):
        server.script = [500, 503]
        status, accepted = await wire.ask(
            {"text": "call me", "callback_url": server.url, "metadata": {"ticket": 7}, "conversation": "ops"}
        )
        assert status == 202
        await wire.answer(await wire.until_asked(), "here I am")
        taken = await server.until(3)
        assert {one.id for one in taken} == {accepted["task"]}
        assert len({one.body for one in taken}) == 1
        for secret in (SECRET, BACKUP):
            verified = Webhook(secret).verify(taken[2].body, dict(taken[2].headers))
        with pytest.raises(WebhookVerificationError):
            Webhook(OTHER).verify(taken[2].body, dict(taken[2].headers))
        assert verified["type"] == "task.answered"
        assert verified["data"] == {
            "endpoint": "default",
            "conversation": "ops",
            "text": "here I am",
            "task": accepted["task"],
            "status": "answered",
            "metadata": {"ticket": 7},
        }

        async def delivered() -> bool:
            return (await wire.fetch(accepted["task"]))[1].get("callback") == "delivered"

        await until(delivered)
        assert len(server.taken) == 3
        # What comes back to us under its own, valid signature is no question.
        signed = {name: value for name, value in taken[2].headers.items() if name.startswith("webhook-")}
        assert (await wire.post(taken[2].body, signed))[0] == 422
        assert len(wire.inbox.envelopes) == 1


async def test_a_callback_is_given_up_in_the_end_and_redirects_lead_nowhere(tmp_path: Path) -> None:
    async with callback_server() as server, callback_server() as elsewhere:
        server.location = elsewhere.url
        async with wired(tmp_path, callback_attempts=3) as wire, running(wire):
            for number, (script, attempts) in enumerate((([307, 302, 500], 3), ([410], 1)), start=1):
                server.script, server.taken = script, []
                _, accepted = await wire.ask({"text": f"ask {number}", "callback_url": server.url})
                await wire.answer(await wire.until_asked(number), "an answer")
                await server.until(attempts)

                async def given_up(task: str = accepted["task"]) -> bool:
                    return (await wire.fetch(task))[1].get("callback") == "given_up"

                await until(given_up)
                assert len(server.taken) == attempts
            assert not elsewhere.taken

            async def shown() -> bool:
                return wire.channel.health().facts["callbacks_given_up"] == 2

            await until(shown)


async def test_callbacks_survive_a_restart(tmp_path: Path) -> None:
    """Killed between the answer and its callback: what is on the disk is called back by the next run."""
    async with callback_server() as server:
        async with wired(tmp_path, callback_url=server.url) as wire:
            async with running(wire):
                await wire.ask({"text": "call me", "mode": "async"})
                message = await wire.until_asked()
            await wire.answer(message, "kept while nobody runs")
            assert not server.taken
        async with wired(tmp_path, callback_url=server.url) as wire, running(wire):
            (taken,) = await server.until(1)
            assert taken.id == message.message_id
            assert taken.data["text"] == "kept while nobody runs"
            assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


async def test_a_secret_that_is_no_base64_signs_callbacks_in_the_plain_profile(tmp_path: Path) -> None:
    secret = "a-secret_of*another~kind!0123456789"
    async with callback_server() as server, wired(tmp_path, callback_url=server.url) as wire:
        wire.default.rotate(secret)
        wire.default.expire_previous()
        async with running(wire):
            assert (await wire.ask({"text": "x"}, sign=standard, secret=SECRET))[0] == 401
            assert (await wire.ask({"text": "x", "mode": "async"}, sign=plain, secret=secret))[0] == 202
            body = b'{"text": "the libraries take bytes as the key", "mode": "async"}'
            moment = datetime.now(UTC)
            names = {"webhook-id": "raw", "webhook-timestamp": str(int(moment.timestamp()))}
            made = Webhook(secret.encode()).sign("raw", moment, body.decode())
            assert (await wire.post(body, names | {"webhook-signature": made}))[0] == 202
            await wire.answer(await wire.until_asked(2), "y")
            (taken,) = await server.until(1)
            stamp = float(taken.headers["x-webhook-timestamp"])
            expected = plain(taken.body, secret=secret, at=stamp)
            assert taken.headers["x-webhook-signature"] == expected["X-Webhook-Signature"]


async def test_a_conversation_that_nobody_listens_to_is_gone(tmp_path: Path) -> None:
    async with wired(tmp_path) as wire, running(wire):
        await wire.ask({"text": "x", "mode": "async", "conversation": "ops"})
        message = await wire.until_asked()
        unasked = OutboundMessage(conversation=message.conversation, text="by the way", idempotency_key="k/1/0")
        with pytest.raises(Exception, match="nobody listens"):
            await wire.channel.send(unasked)
        assert (await wire.answer(message, "fine")).outcome is Outcome.SENT


async def test_another_question_under_a_used_id_is_a_conflict(tmp_path: Path) -> None:
    """Nothing of it runs, and whoever sent it does not take the first answer for its own."""
    async with wired(tmp_path) as wire, running(wire):
        first = {"text": "pay 10", "metadata": {"a": 1, "b": 2}, "mode": "async"}
        told: list[MutableMapping[str, Any]] = []
        for sign in (standard, plain):
            assert (await wire.ask(first, sign=sign, event_id=f"order-{sign.__name__}"))[0] == 202
        for sign in (standard, plain):
            twin = orjson.dumps({"metadata": {"b": 2, "a": 1}, "mode": "async", "text": "pay 10"})
            assert (await wire.post(twin, sign(twin, event_id=f"order-{sign.__name__}")))[0] == 202, "the same question"
            other = first | {"text": "pay 1000"}
            with structlog.testing.capture_logs() as lines:
                status, answer = await wire.ask(other, sign=sign, event_id=f"order-{sign.__name__}")
            assert (status, set(answer)) == (409, {"error"})
            told += [one for one in lines if one["event"] == "webhook_post_refused"]
        assert [(one["endpoint"], one["reason"]) for one in told] == [("default", "conflict")], "a line for both"
        assert "fresh id" in told[0]["cure"]
        assert {(one.text, one.logical_id) for one in wire.messages()} == {
            ("pay 10", f"default:{one.message_id}") for one in wire.messages()[:2]
        }
        assert wire.outcome("conflict") == 2
    async with wired(tmp_path) as wire, running(wire):  # remembered over a restart
        assert (await wire.ask({"text": "other"}, event_id="order-standard"))[0] == 409


async def test_a_hanging_receiver_delays_its_own_endpoint_only(tmp_path: Path) -> None:
    hold = asyncio.Event()
    orders = HeldSource("webhook_orders", OTHER)
    one = EndpointSettings(secret_default=Secret("webhook_orders", orders))
    async with callback_server() as quick, callback_server() as stuck:
        stuck.hold = hold
        async with wired(tmp_path, endpoints={"orders": one}) as wire, running(wire):
            for number in range(1, AT_ONCE + 3):
                await wire.ask({"text": "x", "callback_url": stuck.url})
                await wire.answer(await wire.until_asked(number), "y")
            await stuck.until(AT_ONCE)
            await wire.ask({"text": "x", "callback_url": quick.url}, path="/webhook/orders", secret=OTHER)
            await wire.answer(await wire.until_asked(AT_ONCE + 3), "at once")
            (taken,) = await quick.until(1)
            assert taken.data["text"] == "at once"
            assert len(stuck.taken) == AT_ONCE
            hold.set()
            assert len({one.id for one in await stuck.until(AT_ONCE + 2)}) == AT_ONCE + 2


# --- where callbacks may go ---


class Sockets:
    """Notes for which addresses a socket is made, and makes none: nothing leaves this machine."""

    def __init__(self) -> None:
        self.client: PinnedClient | None = None
        self.families: list[int] = []

    def make(self, family: int, kind: int, protocol: int) -> socket.socket:
        self.families.append(family)
        raise OSError(errno.ENETUNREACH, "no network in tests")


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.8"],
        ["93.184.216.34", "192.168.1.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["fd00:ec2::254"],
        ["2002:7f00:1::"],
        [],
    ],
)
async def test_a_name_with_a_private_address_is_never_connected_to(tmp_path: Path, answers: list[str]) -> None:
    lookup, asked = cycling(repeat(answers))
    sockets = Sockets()
    client = PinnedClient(lookup=lookup, socket_of=sockets.make)
    async with (
        wired(tmp_path, client=client, insecure_callbacks=False, callback_attempts=1) as wire,
        running(wire),
    ):
        _, accepted = await wire.ask({"text": "call me", "callback_url": "https://hooks.example.com/x"})
        await wire.answer(await wire.until_asked(), "an answer")

        async def given_up() -> bool:
            return (await wire.fetch(accepted["task"]))[1].get("callback") == "given_up"

        await until(given_up)
        assert asked == ["hooks.example.com"]
        assert not sockets.families


async def test_a_name_is_resolved_once_for_each_connection_and_that_answer_is_used(tmp_path: Path) -> None:
    """DNS that changes between check and use: there is no between. The next attempt checks anew."""
    answers: Iterator[list[str]] = chain([["93.184.216.34"]], repeat(["127.0.0.1"]))
    lookup, asked = cycling(answers)
    sockets = Sockets()
    client = PinnedClient(lookup=lookup, socket_of=sockets.make)
    async with wired(tmp_path, client=client, insecure_callbacks=False) as wire, running(wire):
        _, accepted = await wire.ask({"text": "call me", "callback_url": "https://rebind.example.com/"})
        await wire.answer(await wire.until_asked(), "an answer")

        async def given_up() -> bool:
            return (await wire.fetch(accepted["task"]))[1].get("callback") == "given_up"

        await until(given_up)
        assert len(asked) == 2, "one look-up an attempt"
        assert len(sockets.families) == 1, "only the public address was connected to"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context for hooks.example.com."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


async def test_the_connection_goes_to_the_checked_address_under_the_name(
    tmp_path: Path, certificate: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server_side, client_side = certificate
    lookup, asked = cycling(repeat(["127.0.0.1"]))
    async with (
        callback_server(server_side) as server,
        wired(tmp_path, lookup=lookup, ssl_context=client_side, callback_attempts=1) as wire,
        running(wire),
    ):
        for number, host in enumerate(("hooks.example.com", "other.example.com"), start=1):
            url = server.url.replace("127.0.0.1", host)
            await wire.ask({"text": f"ask {number}", "callback_url": url})
            await wire.answer(await wire.until_asked(number), "an answer")
        (taken,) = await server.until(1)
        assert taken.headers["host"].startswith("hooks.example.com:")

        async def given_up() -> bool:
            return wire.channel.health().facts["callbacks_given_up"] == 1

        await until(given_up)  # the certificate names another host
        assert len(server.taken) == 1
        assert asked == ["hooks.example.com", "other.example.com"]


async def test_settings_are_held_to_their_hosts(tmp_path: Path) -> None:
    async with wired(tmp_path, callback_hosts=("*.example.com",), insecure_callbacks=False) as wire, running(wire):
        for host, status in (("hooks.example.com", 202), ("example.com", 422), ("example.org", 422)):
            assert (await wire.ask({"text": "x", "callback_url": f"https://{host}/"}))[0] == status, host
    with pytest.raises(ValueError, match="public host"):
        async with wired(tmp_path, callback_url="https://10.0.0.1/", insecure_callbacks=False):
            pass
