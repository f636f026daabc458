"""REST routes on the bot itself: who it is, the gateway's address, its guilds, its DMs, other users."""

from __future__ import annotations

from phantom.testing.fake_discord.access import user_of
from phantom.testing.fake_discord.calls import Call, DiscordError, refused, route
from phantom.testing.fake_discord.model import JSON


@route("get_my_user", "GET", "/users/@me")
def get_my_user(call: Call) -> JSON:
    """The bot user."""
    own = {"verified": True, "mfa_enabled": False, "email": None, "locale": "en-US", "flags": 0}
    return call.core.world.bot.to_discord() | own


@route("update_my_user", "PATCH", "/users/@me")
def update_my_user(call: Call) -> JSON:
    """Only the name."""
    call.core.world.bot.name = call.form.get("username") or call.core.world.bot.name
    return get_my_user(call)


@route("get_user", "GET", "/users/{user_id}")
def get_user(call: Call) -> JSON:
    """Any account."""
    return user_of(call, call.params["user_id"]).to_discord()


@route("get_my_application", "GET", "/applications/@me")
@route("get_my_oauth2_application", "GET", "/oauth2/applications/@me")
def get_my_application(call: Call) -> JSON:
    """The application that the bot belongs to."""
    guilds = sum(call.core.world.bot.id in guild.members for guild in call.core.world.guilds.values())
    return call.core.app.to_discord() | {"approximate_guild_count": guilds}


@route("update_my_application", "PATCH", "/applications/@me")
def update_my_application(call: Call) -> JSON:
    """Only the interactions endpoint; Discord pings it first, and refuses it when that is not answered."""
    if "interactions_endpoint_url" in call.form:
        call.core.app.interactions_url = call.form["interactions_endpoint_url"]
    return get_my_application(call)


@route("get_gateway", "GET", "/gateway", open=True)
def get_gateway(call: Call) -> JSON:
    """The gateway's address."""
    return {"url": call.core.gateway.url}


@route("get_bot_gateway", "GET", "/gateway/bot")
def get_bot_gateway(call: Call) -> JSON:
    """The gateway's address, the recommended shards, and how many identifies are left."""
    app = call.core.app
    return {
        "url": call.core.gateway.url,
        "shards": app.shards,
        "session_start_limit": {
            "total": 1000,
            "remaining": max(0, app.session_limit),
            "reset_after": 14_400_000,
            "max_concurrency": app.max_concurrency,
        },
    }


@route("list_my_guilds", "GET", "/users/@me/guilds")
def list_my_guilds(call: Call) -> list[JSON]:
    """Partial guilds, by id."""
    world, limit = call.core.world, call.number("limit", 200, low=1, high=200)
    after, before = int(call.query.get("after", "0")), int(call.query.get("before", str(1 << 63)))
    mine = [one for one in world.guilds.values() if world.bot.id in one.members and after < int(one.id) < before]
    return [
        {
            "id": guild.id,
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": guild.owner_id == world.bot.id,
            "permissions": str(world.guild_permissions(guild)),
            "features": [],
            "approximate_member_count": len(guild.members),
            "approximate_presence_count": 1,
        }
        for guild in sorted(mine, key=lambda one: int(one.id))[:limit]
    ]


@route("leave_guild", "DELETE", "/users/@me/guilds/{guild_id}")
def leave_guild(call: Call) -> None:
    """The bot leaves."""
    guild = call.core.world.guilds.get(call.params["guild_id"])
    if guild is None or call.core.world.bot.id not in guild.members:
        raise refused(10004)
    call.core.happenings.leave_guild(guild)


@route("create_dm", "POST", "/users/@me/channels")
def create_dm(call: Call) -> JSON:
    """The DM with a person; opening it always works, posting may not (50007)."""
    user = user_of(call, str(call.form.get("recipient_id")))
    if user is call.core.world.bot:
        raise DiscordError(400, 50033, "Invalid Recipient(s)")
    return call.core.world.direct(user).to_discord()
