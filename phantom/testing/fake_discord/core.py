"""The parts of one FakeDiscord, held together so that routes, people's actions and the transports reach one another."""

from __future__ import annotations

from dataclasses import dataclass, field

from phantom.clock import Clock
from phantom.testing.fake_discord.application import FakeApplication
from phantom.testing.fake_discord.calls import ApiCall
from phantom.testing.fake_discord.changes import Feed
from phantom.testing.fake_discord.command_book import CommandBook
from phantom.testing.fake_discord.faults import Faults
from phantom.testing.fake_discord.gateway import Gateway
from phantom.testing.fake_discord.happenings import Happenings
from phantom.testing.fake_discord.interactions import Interactions
from phantom.testing.fake_discord.ratelimits import RateLimits
from phantom.testing.fake_discord.world import World


@dataclass(slots=True, kw_only=True)
class Core:
    """One running Discord. `url` is the server's root, no slash at the end."""

    clock: Clock
    feed: Feed
    app: FakeApplication
    world: World
    gateway: Gateway
    happenings: Happenings
    interactions: Interactions
    commands: CommandBook
    limits: RateLimits
    faults: Faults
    url: str = ""
    calls: list[ApiCall] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
