"""What `phantom doctor` checks of the webhook channel: secrets, their use, callbacks, clock. Nothing is posted.

A channel's doctor is found as `channels.<kind>.doctor` by its function `examine`. What does *not* live here: printing.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from channels.webhook import usage
from channels.webhook.endpoints import slots_of
from channels.webhook.keyring import BACKUP, Slot
from channels.webhook.secret_format import CURE, key_of, why_unfit
from channels.webhook.settings import WebhookSettings
from channels.webhook.usage import SlotUsage
from channels.webhook.verify import WINDOW
from phantom.channel import ChannelContext
from phantom.errors import PhantomError
from phantom.findings import Finding, Level

QUIET_SECONDS = 3 * 86_400.0
"""A backup that verified nothing for so long is surely out of use."""


async def examine(settings: WebhookSettings, context: ChannelContext) -> list[Finding]:
    """Everything that can be known before the first post. Never raises a `PhantomError`; shows no secret."""
    used = await asyncio.to_thread(usage.read, context.data_dir)
    now = context.clock.now()
    found: list[Finding] = []
    for name, slots in slots_of(settings).items():
        for slot in slots:
            found += await _secret(name, slot, used.get(name, {}).get(slot.name, SlotUsage()), now)
    found.append(_callbacks(settings))
    found.append(_clock(used, now))
    return found


async def _secret(endpoint: str, slot: Slot, used: SlotUsage, now: float) -> list[Finding]:
    try:
        await slot.secret.refresh()
        text = slot.secret.reveal()
    except PhantomError as error:
        if slot.name == BACKUP:
            return []
        return [_fail(f"/webhook/{endpoint}: {slot.where}: {error.message}", error.hint or CURE)]
    reason = why_unfit(text)
    if reason:
        return [_fail(f"/webhook/{endpoint}: {slot.where} {reason}", CURE)]
    key = key_of(text)
    found = [Finding(level=Level.OK, what=f"/webhook/{endpoint}: {slot.where} is a secret of good form")]
    if key is not None and key.standard is None:
        what = f"{slot.where} is not base64, so only the plain profile works with it; callbacks are signed so too"
        found.append(_warn(what, "for Standard Webhooks " + CURE))
    if slot.name == BACKUP:
        found.append(_backup(endpoint, slot, used, now))
    return found


def _backup(endpoint: str, slot: Slot, used: SlotUsage, now: float) -> Finding:
    if used.last_used is None:
        return _warn(f"/webhook/{endpoint}: {slot.where} has verified no post yet", "unset it if no sender holds it")
    ago = now - used.last_used
    if ago > QUIET_SECONDS:
        what = f"/webhook/{endpoint}: {slot.where} has verified nothing for {ago / 86_400:.0f} days"
        return _warn(what, "unset it: a secret that nobody uses can only leak")
    what = f"/webhook/{endpoint}: {slot.where} is still in use: last {_moment(used.last_used)}, {used.count} posts"
    return Finding(level=Level.OK, what=what)


def _callbacks(settings: WebhookSettings) -> Finding:
    if settings.insecure_callbacks:
        what = "callbacks may go to this machine itself: whoever may post can reach its local services"
        return _warn(what, "unset WEBHOOK_INSECURE_CALLBACKS in production")
    hosts = settings.callback_hosts or tuple(host for one in settings.endpoints.values() for host in one.callback_hosts)
    if not hosts:
        what = "callbacks go to any public host over https; private addresses are never called"
        return Finding(level=Level.OK, what=what)
    return Finding(level=Level.OK, what=f"callbacks go over https to {', '.join(sorted(set(hosts)))} only")


def _clock(used: dict[str, dict[str, SlotUsage]], now: float) -> Finding:
    """There is no platform to compare with: only our own past is known."""
    last = max((one.last_used or 0.0 for slots in used.values() for one in slots.values()), default=0.0)
    if last > now + 1.0:
        what = f"this machine's clock went back: it says {_moment(now)}, but posts were verified at {_moment(last)}"
        return _fail(what, "switch time synchronisation on (NTP)")
    what = f"posts must be stamped within {WINDOW} s of this machine's clock, which says {_moment(now)}"
    return Finding(level=Level.OK, what=what)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _warn(what: str, cure: str) -> Finding:
    return Finding(level=Level.WARN, what=what, cure=cure)


def _fail(what: str, cure: str) -> Finding:
    return Finding(level=Level.FAIL, what=what, cure=cure)
