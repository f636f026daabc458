"""Pure pieces of the webhook channel: claims, secrets, requests, settings, usage, and what the doctor says."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from channels.webhook import verify
from channels.webhook.doctor import examine
from channels.webhook.endpoints import endpoints_of
from channels.webhook.normalise import Ticket, normalise
from channels.webhook.request import BadRequest, parse_ask, parse_fetch
from channels.webhook.request_schema import schema
from channels.webhook.secret_format import key_of, why_unfit
from channels.webhook.settings import EndpointSettings, WebhookSettings
from channels.webhook.usage import read
from phantom.access import AccessRules, may_talk
from phantom.channel import ChannelContext, Envelope
from phantom.daemon import load_config
from phantom.errors import MalformedEvent
from phantom.findings import Finding
from phantom.identity import Identity
from phantom.messages import AuthorFacts
from phantom.metrics import PrometheusMeter
from phantom.secrets import Secret, held
from phantom.testing import ManualClock

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwc2VjcmV0"
OTHER = "whsec_b3RoZXItZW5kcG9pbnQtc2VjcmV0LTk4NzY1NDMyMTA="
NOW = 1_800_000_000.0


@given(
    st.dictionaries(
        st.sampled_from(
            [b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"x-webhook-timestamp", b"x-webhook-signature"]
        ),
        st.binary(max_size=120) | st.from_regex(rb"(v1,[A-Za-z0-9+/]{43}= ?)+|sha256=[0-9a-f]{64}", fullmatch=True),
    )
)
def test_any_head_is_judged_and_none_is_believed(headers: dict[bytes, bytes]) -> None:
    claim = verify.read(headers, NOW)
    key = key_of(SECRET)
    assert key is not None
    assert isinstance(claim, str) or not verify.matches(claim, b"{}", key)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(-300, 300))
def test_what_the_library_signs_is_believed_and_what_we_sign_the_library_believes(text: str, age: int) -> None:
    body, key = text.encode(), key_of(SECRET)
    assert key is not None
    stamp = datetime.fromtimestamp(NOW - age, UTC)
    signature = f"v1a,xyz {Webhook(OTHER).sign('m_1', stamp, text)} {Webhook(SECRET).sign('m_1', stamp, text)}"
    head = {b"webhook-id": b"m_1", b"webhook-timestamp": str(int(stamp.timestamp())).encode()}
    claim = verify.read(head | {b"webhook-signature": signature.encode()}, NOW)
    assert not isinstance(claim, str)
    assert verify.matches(claim, body, key)
    assert not verify.matches(claim, body + b"x", key)
    ours = verify.signed_headers("m_1", NOW, body, (key,))["webhook-signature"]
    assert ours == Webhook(SECRET).sign("m_1", datetime.fromtimestamp(NOW, UTC), text)


@given(st.binary(max_size=200), st.integers(-300, 300))
def test_the_plain_profile_is_what_it_says(body: bytes, age: int) -> None:
    key, stamp = key_of(SECRET), str(int(NOW - age)).encode()
    assert key is not None
    mac = hmac.new(SECRET.encode(), stamp + b"." + body, hashlib.sha256).hexdigest()
    for shown in (mac, mac.upper()):
        claim = verify.read({b"x-webhook-timestamp": stamp, b"x-webhook-signature": f"sha256={shown}".encode()}, NOW)
        assert not isinstance(claim, str)
        assert verify.matches(claim, body, key)
        assert claim.event_id.startswith("s")


@pytest.mark.parametrize(("age", "reason"), [(301, verify.STALE), (-301, verify.FUTURE)])
def test_the_window_ends_after_five_minutes(age: int, reason: str) -> None:
    stamp = str(int(NOW) - age).encode()
    assert verify.read({b"x-webhook-timestamp": stamp, b"x-webhook-signature": b"sha256=" + b"0" * 64}, NOW) == reason
    head = {b"webhook-id": b"m_1", b"webhook-timestamp": stamp, b"webhook-signature": b"v1," + b"A" * 43 + b"="}
    assert verify.read(head, NOW) == reason


def test_the_two_profiles_never_stand_for_each_other() -> None:
    """The same MAC under the other profile's headers is nothing: their keys differ."""
    key, stamp, body = key_of(SECRET), b"1800000000", b"{}"
    assert key is not None
    assert key.standard is not None
    crossed = hmac.digest(key.standard, b"%b.%b" % (stamp, body), "sha256")
    claim = verify.read(
        {b"x-webhook-timestamp": stamp, b"x-webhook-signature": b"sha256=" + crossed.hex().encode()}, NOW
    )
    assert not isinstance(claim, str)
    assert not verify.matches(claim, body, key)
    assert SECRET not in repr(key)


@given(st.text(max_size=80))
def test_any_text_is_a_secret_or_not(text: str) -> None:
    assert (key_of(text) is None) == bool(why_unfit(text))


@given(st.binary(min_size=24, max_size=64).filter(lambda raw: len(set(base64.b64encode(raw))) >= 9))
def test_random_bytes_make_a_secret_with_and_without_padding(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    for shown in (f"whsec_{text}", f"whsec_{text.rstrip('=')}"):
        key = key_of(shown)
        assert key is not None
        assert (key.standard, key.plain) == (raw, shown.encode())


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_fields = st.dictionaries(
    st.sampled_from(["text", "conversation", "user", "callback_url", "mode", "metadata", "task", "x"]), _json
)


@given(_fields | _json)
def test_any_json_is_a_question_or_a_bad_request(fields: Any) -> None:
    try:
        body = orjson.dumps(fields)
    except orjson.JSONEncodeError:
        return
    for parse in (parse_ask, parse_fetch):
        with contextlib.suppress(BadRequest):
            parse(body)


@given(st.binary(max_size=100) | _json.map(lambda one: orjson.dumps(one, default=str) if one == one else b""))
def test_normalise_and_tickets_are_total(body: bytes) -> None:
    envelope = Envelope("webhook", "default", "e1", "post", body, NOW)
    try:
        (message,) = normalise(envelope)
        assert Ticket.of(message.respond_url or "") is not None
    except MalformedEvent:
        pass
    Ticket.of(body.decode("latin-1"))


def test_lists_of_one_endpoint_do_not_close_another() -> None:
    settings = WebhookSettings(
        secret_default=held("a", SECRET),
        endpoints={"orders": EndpointSettings(secret_default=held("b", OTHER), allowed_users=("ann",))},
    )
    rules = AccessRules.from_options(settings.policy_options())

    def accepted(endpoint: str, user: str) -> bool:
        fields = {"task": "t", "text": "x", "user_id": user}
        (message,) = normalise(Envelope("webhook", endpoint, "e1", "post", orjson.dumps(fields), NOW))
        return may_talk(message.author, message.conversation, rules, AuthorFacts()).accepted

    assert accepted("orders", "ann")
    assert not accepted("orders", "eve")
    assert not accepted("orders", "")
    assert accepted("default", "eve")
    assert accepted("default", "")
    assert WebhookSettings(secret_default=held("a", SECRET)).policy_options() == {}


def test_settings_of_endpoints_are_checked() -> None:
    for wrong, why in (
        ({"endpoints": {"No": {"secret_default": SECRET}}}, "shape"),
        ({"endpoints": {"a/b": {"secret_default": SECRET}}}, "shape"),
        ({"endpoints": {"a": {}}}, "secret_default"),
        ({"endpoints": {"a": {"secret_default": SECRET, "secrets": 1}}}, "secrets"),
        ({"endpoints": {"default": {"secret_default": OTHER}}}, "same endpoint"),
        ({"callback_url": "http://example.com/"}, "https"),
        ({"callback_url": "https://example.com/", "callback_hosts": "example.org"}, "list"),
        ({"callback_hosts": "https://example.com/"}, "host names"),
        ({"endpoints": {"a": {"secret_default": OTHER, "callback_url": "https://10.0.0.1/"}}}, "public"),
    ):
        with pytest.raises(ValueError, match=why) as caught:
            WebhookSettings.model_validate({"secret_default": held("a", SECRET)} | wrong)
        assert SECRET not in str(caught.value)
    settings = WebhookSettings.model_validate({"endpoints": {"a": {"secret_default": OTHER}}})
    assert isinstance(settings.endpoints["a"].secret_default, Secret)
    assert OTHER not in repr(settings)


def test_endpoints_of_a_file_are_loaded_with_live_secrets(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/webhook.md").read_text()
    (yaml,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "channels.yaml").write_text(yaml)
    names = ("WEBHOOK_SECRET_DEFAULT", "WEBHOOK_ORDERS", "WEBHOOK_ORDERS_BACKUP", "WEBHOOK_ALERTS")
    secrets = [f"whsec_{base64.b64encode(bytes(range(n, n + 32))).decode()}" for n in range(4)]
    environ = dict(zip(names, secrets, strict=True)) | {"PHANTOM_ENV": "production"}
    loaded = load_config(tmp_path, environ, tmp_path, ManualClock(now=NOW))
    section = loaded.channels["webhook"]
    assert section.error is None
    assert isinstance(section.settings, WebhookSettings)
    endpoints = endpoints_of(section.settings, ManualClock(now=NOW))
    assert sorted(endpoints) == ["alerts", "default", "orders"]
    assert endpoints["orders"].deadline == 60
    assert [slot.name for slot in endpoints["orders"].keys.slots] == ["default", "backup"]
    assert endpoints["alerts"].keys.slots[0].secret.reveal() == secrets[3]
    shown = " ".join(origin.shown for origin in loaded.origins)
    assert not any(secret in shown for secret in secrets)


async def _nobody() -> Identity:
    return Identity(tenant_id="t1")


class Quiet:
    async def agent_ready(self, transport: str) -> None: ...

    async def first_dm_sent(self, slack_message_ts: str) -> None: ...


async def diagnosed(folder: Path, **settings: Any) -> list[Finding]:
    context = ChannelContext(
        phantom_name="Phantom",
        clock=ManualClock(now=NOW),
        meter=PrometheusMeter(),
        secret=lambda name: held(name, None),
        identity=_nobody,
        tenant_status=Quiet(),
        data_dir=folder,
        options={},
    )
    return await examine(WebhookSettings(**settings), context)


async def test_the_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    fine = await diagnosed(tmp_path, secret_default=held("a", SECRET))
    assert {one.level.value for one in fine} == {"ok"}
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"secret_default": held("a", "short")}, "fail", "at least 24"),
        ({"secret_default": held("a", None)}, "fail", "not set"),
        ({"secret_default": held("a", "no-base64*but-long-enough-to-do")}, "warn", "plain profile"),
        ({"secret_backup": held("b", OTHER)}, "warn", "has verified no post yet"),
        ({"insecure_callbacks": True}, "warn", "this machine itself"),
    )
    for settings, level, text in cases:
        found = await diagnosed(tmp_path, **({"secret_default": held("a", SECRET)} | settings))
        assert any(one.level.value == level and text in one.what and one.cure for one in found), text
        assert not any(secret in f"{one.what}{one.cure}" for one in found for secret in (SECRET, OTHER))

    def used(last: float) -> None:
        slots = {"default": {"count": 5, "last_used": last}, "backup": {"count": 2, "last_used": last}}
        (tmp_path / "usage.json").write_bytes(orjson.dumps({"default": slots}))

    for last, level, text in (
        (NOW - 60, "ok", "still in use"),
        (NOW - 5 * 86_400, "warn", "nothing for 5 days"),
        (NOW + 3600, "fail", "clock went back"),
    ):
        used(last)
        found = await diagnosed(tmp_path, secret_default=held("a", SECRET), secret_backup=held("b", OTHER))
        assert any(one.level.value == level and text in one.what for one in found), text


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"default": 5}', b'{"default": {"backup": {"count": "x"}}}'])
def test_a_damaged_usage_file_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "usage.json").write_bytes(damage)
    assert all(slot.count == 0 for slots in read(tmp_path).values() for slot in slots.values())


def test_the_schema_for_senders_knows_the_fields_that_posts_may_have() -> None:
    made = schema("")
    full = {"text": "x", "conversation": "a", "user": {"id": "u", "name": "n"}, "mode": "async", "metadata": {"k": 1}}
    full["callback_url"] = "https://hooks.example.com/"
    assert set(made["properties"]) == set(full)
    assert parse_ask(orjson.dumps(full)).callback_url
    for example in made["examples"]:
        assert set(example) <= set(made["properties"])
        assert parse_ask(orjson.dumps(example)).text == example["text"]
