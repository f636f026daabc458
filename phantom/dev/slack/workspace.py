"""The local workspace: people of every kind, conversations of every kind, and the app that the daemon is.

What does *not* live here: how the workspace behaves (`phantom.testing.fake_slack`).
"""

from __future__ import annotations

import secrets

from phantom.dev.secret_desk import SecretDesk
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule

SCHEDULE = RetrySchedule((0.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0))
"""Slack waits a minute before its second retry; here one wants to see it."""


class LocalWorkspace:
    """FakeSlack with its people and places. `transport`: socket, http (as in profile gateway)."""

    def __init__(self, transport: str, desk: SecretDesk) -> None:
        self.transport = transport
        self._desk = desk
        self.slack = FakeSlack(transport=transport, team_name="Local")
        self.gateway_secret = secrets.token_hex(32)
        slack = self.slack
        slack.sockets.schedule = SCHEDULE
        partner = slack.add_team("Partner")
        sam = slack.add_user("sam")
        guest = slack.add_user("gina", guest=True)
        external = slack.add_user("enzo", team=partner)
        slack.general.members[:0] = [sam.id, guest.id]
        slack.add_channel("team-private", private=True, members=[slack.owner, sam])
        slack.add_channel("with-partner", members=[slack.owner, external], shared_with=[partner])
        slack.group_dm(slack.owner, sam)
        # Opened now, so that ids are the same at every start and a kept data folder still fits.
        self.home = slack.dm(slack.owner)
        for user in (sam, guest, external):
            slack.dm(user)
        desk.introduce(
            slack={
                "team_id": slack.team.id,
                "installer_user_id": slack.owner.id,
                "team_name": slack.team.name,
                "installed_at": "2024-01-01T00:00:00Z",
            }
        )
        desk.give("slack_bot_token", slack.bot_token)
        desk.give("slack_app_token", slack.app_token)
        desk.give("slack_gateway_signing_secret", self.gateway_secret)

    def rotate_bot_token(self) -> None:
        """A new bot token, where the daemon looks for it; the old one is revoked."""
        self._desk.give("slack_bot_token", self.slack.app.rotate_bot_token())

    def variables(self) -> dict[str, str]:
        """What the daemon needs to find this workspace."""
        found = {"SLACK_TRANSPORT": self.transport, "SLACK_API_BASE_URL": self.slack.api_url}
        if self.transport == "socket":
            # Over HTTP the identity names the installer; here the greeting goes to this conversation.
            found["SLACK_CHANNEL_ID"] = self.home.id
        return found

    def deliver_to(self, url: str) -> None:
        """Over HTTP: send events to the daemon at `url`, signed as the gateway does."""
        if self.transport == "http" and not self.slack.transport:
            self.slack.deliver_over_http(url, profile="gateway", secret=lambda: self.gateway_secret, schedule=SCHEDULE)
