"""An in-memory Slack workspace on loopback for tests and for `phantom dev`. Begin at `FakeSlack` (`server.py`)."""

from phantom.testing.fake_slack.app import FakeApp
from phantom.testing.fake_slack.calls import ApiCall
from phantom.testing.fake_slack.deliveries import Attempt, Delivery, RetrySchedule
from phantom.testing.fake_slack.interactions import Answer
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import FakeChannel, FakeFile, FakeTeam, FakeUser, FakeView
from phantom.testing.fake_slack.server import FakeSlack
from phantom.testing.fake_slack.signing import sign_direct, sign_gateway_v1, sign_gateway_v2

__all__ = [
    "Answer",
    "ApiCall",
    "Attempt",
    "Delivery",
    "FakeApp",
    "FakeChannel",
    "FakeFile",
    "FakeMessage",
    "FakeSlack",
    "FakeTeam",
    "FakeUser",
    "FakeView",
    "RetrySchedule",
    "sign_direct",
    "sign_gateway_v1",
    "sign_gateway_v2",
]
