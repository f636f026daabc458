"""Builds channels from checked settings: the targets that descriptors name. No I/O happens here.

`SLACK_TRANSPORT` picks how Slack's events arrive: `socket` (when unset) or `http`; anything else stops the daemon.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from channels.slack.apps import SlackApps
from channels.slack.behaviour import SlackBehaviour
from channels.slack.boot import APP_CURE, BOT_CURE, check_app_token, check_bot_token
from channels.slack.channel import SlackChannel, Transport
from channels.slack.http_receiver import SlackHttpReceiver
from channels.slack.http_transport import HttpTransport
from channels.slack.settings import SlackSettings
from channels.slack.socket import SocketTransport
from channels.slack.web import SlackWeb
from phantom.channel import Channel, ChannelContext, TextLimits
from phantom.errors import ConfigError, SecretError
from phantom.secrets import Secret

SLACK_TEXT = TextLimits(max_chars=4000)
"""Slack recommends at most 4000 characters a message (https://docs.slack.dev/reference/methods/chat.postMessage)."""

SIGNING_CURE = "copy the Signing Secret from the app's page Basic Information"


def build(settings: SlackSettings, context: ChannelContext) -> Channel:
    """The Slack channel that the settings ask for. Raises `ConfigError` with the variable's name and the cure."""
    if settings.transport == "socket":
        return _over_socket(settings, context)
    if settings.transport != "http":
        raise ConfigError(
            "must be socket or http", where="SLACK_TRANSPORT", hint="unset it for Socket Mode", code="bad_transport"
        )
    if settings.http_profile == "gateway":
        return _over_http(
            settings,
            context,
            bot_token=_implied(settings.bot_token, "slack_bot_token", context),
            signing=_both(
                _implied(settings.gateway_signing_secret, "slack_gateway_signing_secret", context),
                settings.gateway_signing_secret_previous,
            ),
        )
    if settings.http_profile != "direct":
        raise ConfigError(
            "must be gateway or direct", where="SLACK_HTTP_PROFILE", hint="unset it for gateway", code="bad_profile"
        )
    current = _needed(settings.signing_secret, "SLACK_SIGNING_SECRET", SIGNING_CURE)
    return _over_http(
        settings,
        context,
        bot_token=_checked(_needed(settings.bot_token, "SLACK_BOT_TOKEN", BOT_CURE), check_bot_token),
        signing=_both(current, settings.signing_secret_previous),
    )


def _over_socket(settings: SlackSettings, context: ChannelContext) -> Channel:
    bot_token = _checked(_needed(settings.bot_token, "SLACK_BOT_TOKEN", BOT_CURE), check_bot_token)
    app_token = _checked(_needed(settings.app_token, "SLACK_APP_TOKEN", APP_CURE), check_app_token)
    web, app_web = _web(bot_token, settings, context), _web(app_token, settings, context)
    apps = SlackApps(web, context)
    transport = SocketTransport(
        context,
        web,
        app_web,
        bot_token=bot_token,
        app_token=app_token,
        connections=settings.connections,
        unconfigured=(SlackHttpReceiver(clock=context.clock, meter=context.meter),),
        events=apps.events,
    )
    return _channel(settings, context, transport, apps, web, app_web)


def _over_http(
    settings: SlackSettings, context: ChannelContext, *, bot_token: Secret, signing: tuple[Secret, ...]
) -> Channel:
    web = _web(bot_token, settings, context)
    apps = SlackApps(web, context)
    transport = HttpTransport(settings, context, web, apps.events, bot_token=bot_token, signing=signing)
    return _channel(settings, context, transport, apps, web)


def _channel(
    settings: SlackSettings,
    context: ChannelContext,
    transport: Transport,
    apps: SlackApps,
    web: SlackWeb,
    *others: SlackWeb,
) -> Channel:
    return SlackChannel(
        behaviour=SlackBehaviour(settings, context, web),
        transport=transport,
        webs=(web, *others),
        apps=apps,
        limits=SLACK_TEXT,
        policy=settings.policy_options(),
    )


def _web(token: Secret, settings: SlackSettings, context: ChannelContext) -> SlackWeb:
    return SlackWeb(token=token, base_url=settings.api_base_url, clock=context.clock, meter=context.meter)


def _implied(given: Secret | None, name: str, context: ChannelContext) -> Secret:
    """The profile `gateway` means the metadata service, without a setting that says so."""
    return context.secret(name) if given is None else given


def _both(current: Secret, previous: Secret | None) -> tuple[Secret, ...]:
    return (current,) if previous is None else (current, previous)


def _needed(given: Secret | None, where: str, hint: str) -> Secret:
    if given is None:
        raise ConfigError("is not set", where=where, hint=hint, code="missing_secret")
    return given


def _checked(secret: Secret, check: Callable[[Secret], None]) -> Secret:
    """Check what is known already; a secret that its source has yet to give is checked at boot."""
    with contextlib.suppress(SecretError):
        check(secret)
    return secret
