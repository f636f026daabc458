"""Phantom's test kit, public and documented: fakes of the services around Phantom, spoken to over the wire.

Nothing that runs in production imports it; `phantom dev` builds its local workspace from the same parts. The names
below load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phantom.testing.conformance import ChannelConformance as ChannelConformance
    from phantom.testing.daemon_process import DaemonProcess as DaemonProcess
    from phantom.testing.fake_channel import FakeChannel as FakeChannel
    from phantom.testing.fake_channel import FakePlatform as FakePlatform
    from phantom.testing.fake_discord import FakeDiscord as FakeDiscord
    from phantom.testing.fake_metadata import FakeMetadata as FakeMetadata
    from phantom.testing.fake_metadata import MetadataRequest as MetadataRequest
    from phantom.testing.fake_slack import FakeSlack as FakeSlack
    from phantom.testing.manual_clock import ManualClock as ManualClock
    from phantom.testing.scripted_agent import ScriptedAgent as ScriptedAgent

_HOME = {
    "ChannelConformance": "conformance",
    "DaemonProcess": "daemon_process",
    "FakeChannel": "fake_channel",
    "FakePlatform": "fake_channel",
    "FakeDiscord": "fake_discord",
    "FakeMetadata": "fake_metadata",
    "FakeSlack": "fake_slack",
    "ManualClock": "manual_clock",
    "MetadataRequest": "fake_metadata",
    "ScriptedAgent": "scripted_agent",
}


def __getattr__(name: str) -> object:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
