"""What is told of refused posts: a count for each, and a line for each reason now and then, with its cure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import channels.discord.interactions as discord
import channels.slack.http_receiver as slack
import channels.webhook.receiver as webhook
from channels.slack import team
from channels.slack import verify as slack_verify
from channels.webhook import verify as webhook_verify
from phantom.metrics import PrometheusMeter
from phantom.refused_posts import CURES, INTERVAL, REQUESTS, RefusedPosts
from phantom.testing import ManualClock
from phantom.webhooks import HttpAnswer

NO = HttpAnswer(401)


def test_each_reason_has_a_line_of_its_own_and_every_post_is_counted() -> None:
    lines: list[Mapping[str, Any]] = []
    clock, meter = ManualClock(), PrometheusMeter()
    posts = RefusedPosts(
        "post_refused",
        channel="here",
        endpoint="orders",
        say=lambda event, **fields: lines.append({"event": event} | fields),
        meter=meter,
        clock=clock,
        cures={"odd": "do this"},
    )
    for reason in ("odd", "stale", "odd", "odd", "stale"):
        assert posts.refuse(reason, NO) is NO
    clock.advance(INTERVAL)
    posts.refuse("odd", NO)
    about = {"event": "post_refused", "channel": "here", "endpoint": "orders", "status": 401}
    assert lines == [
        about | {"reason": "odd", "count": 1, "cure": "do this"},
        about | {"reason": "stale", "count": 1, "cure": CURES["stale"]},
        about | {"reason": "odd", "count": 3, "cure": "do this"},
    ]
    assert [meter.value(REQUESTS, channel="here", outcome=one) for one in ("odd", "stale")] == [4, 2]


@pytest.mark.parametrize(
    ("receiver", "named"),
    [
        (slack, {team.FOREIGN, team.NO_TEAM, *slack_verify.REASONS}),
        (discord, {"unsigned", "bad_header", "stale"}),
        (webhook, {"busy", "conflict", "storage", *webhook_verify.REASONS}),
    ],
)
def test_every_reason_of_a_channel_has_a_cure(receiver: Any, named: set[str]) -> None:
    written = set(re.findall(r'_refuse\("(\w+)"', Path(receiver.__file__).read_text()))
    assert len(written) > 5
    assert written | named <= CURES.keys() | receiver.CURES.keys()
    unused = receiver.CURES.keys() - written - named
    assert not unused
