"""Writing messages: the limits on their parts, and whom they mention. For people and for the app's calls alike.

Facts: docs.discord.com, "Message" and "Create Message": 2000 characters of content, 10 embeds of 6000 characters
together, 5 rows of components (40 components in version 2), 10 files.
"""

from __future__ import annotations

from typing import Any

from phantom.testing.fake_discord.calls import Call, Upload, invalid_form, refused
from phantom.testing.fake_discord.message import COMPONENTS_V2, REPLY, FakeAttachment, FakeMessage, flat
from phantom.testing.fake_discord.model import JSON, FakeChannel, FakeUser
from phantom.testing.fake_discord.permissions import BITS
from phantom.testing.fake_discord.pings import check_allowed, mentions_of, text_of
from phantom.testing.fake_discord.world import World

CONTENT_LIMIT = 2000
MAX_FILE = 10 << 20


def check_content(content: Any) -> str:
    """Content of at most 2000 characters; None is empty."""
    if content is None:
        return ""
    text = str(content)
    if len(text) > CONTENT_LIMIT:
        raise invalid_form("content", "BASE_TYPE_MAX_LENGTH", f"Must be {CONTENT_LIMIT} or fewer in length.")
    return text


def check_embeds(embeds: Any) -> list[JSON]:
    """At most 10 embeds, 4096 characters of description each, 6000 characters together."""
    found: list[JSON] = list(embeds or [])
    if len(found) > 10:
        raise invalid_form("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    total = 0
    for index, embed in enumerate(found):
        for name, limit in (("title", 256), ("description", 4096)):
            text = embed.get(name) or ""
            total += len(text)
            if len(text) > limit:
                path = f"embeds.{index}.{name}"
                raise invalid_form(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")
        if len(embed.get("fields") or []) > 25:
            raise invalid_form(f"embeds.{index}.fields", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
        total += sum(len(one.get("name", "")) + len(one.get("value", "")) for one in embed.get("fields") or [])
    if total > 6000:
        raise invalid_form("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")
    return [{"type": "rich"} | embed for embed in found]


def check_components(components: Any, flags: int) -> list[JSON]:
    """Rows of at most five buttons or one select; custom ids of 1 to 100 characters, each once."""
    found: list[JSON] = list(components or [])
    if not flags & COMPONENTS_V2:
        if len(found) > 5:
            raise invalid_form("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
        if any(one.get("type") != 1 for one in found):
            raise invalid_form("components.0.type", "UNION_TYPE_CHOICES", 'Value of field "type" must be one of (1,).')
    seen: set[str] = set()
    for index, one in enumerate(flat(found)):
        if one.get("type") == 1 and not 1 <= len(one.get("components") or []) <= 5:
            raise invalid_form(f"components.{index}.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5.")
        custom_id = one.get("custom_id")
        if custom_id is None:
            continue
        if not 1 <= len(custom_id) <= 100:
            raise invalid_form(f"components.{index}.custom_id", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100.")
        if custom_id in seen:
            raise invalid_form(f"components.{index}.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "duplicated")
        seen.add(custom_id)
    return found


def uploads(world: World, channel: FakeChannel, files: list[Upload], listed: Any) -> list[FakeAttachment]:
    """The files of a multipart request as attachments. `listed` is the body's `attachments`, with descriptions."""
    described = {str(one.get("id")): one for one in listed or [] if isinstance(one, dict)}
    found = []
    for upload in files:
        if len(upload.data) > MAX_FILE:
            raise invalid_form(f"files.{upload.index}", "FILE_SIZE_TOO_LARGE", "File is too large")
        about = described.get(str(upload.index), {})
        name = about.get("filename") or upload.filename
        attachment = world.attach(channel.id, name, upload.data, upload.content_type)
        attachment.description = about.get("description")
        found.append(attachment)
    return found


def compose(
    world: World,
    channel: FakeChannel,
    author: FakeUser,
    body: JSON,
    *,
    files: list[FakeAttachment] | None = None,
    replied_to: FakeMessage | None = None,
    ephemeral_for: str | None = None,
) -> FakeMessage:
    """A message from a body like that of `POST …/messages`, not posted yet. Raises 50006 and 50035."""
    content, flags = check_content(body.get("content")), int(body.get("flags") or 0)
    if isinstance(body.get("nonce"), str) and len(body["nonce"]) > 25:
        raise invalid_form("nonce", "NONCE_TYPE_TOO_LONG", "Nonce must be 25 or fewer in length.")
    embeds, components = check_embeds(body.get("embeds")), check_components(body.get("components"), flags)
    if flags & COMPONENTS_V2 and (content or embeds):
        raise invalid_form("content", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", "not with components v2")
    if not (content.strip() or embeds or components or files or body.get("sticker_ids") or body.get("poll")):
        raise refused(50006)
    message = FakeMessage(
        id=world.ids.next(),
        channel_id=channel.id,
        guild_id=channel.guild_id,
        author=author,
        content=content,
        flags=flags,
        nonce=body.get("nonce"),
        tts=bool(body.get("tts")),
        embeds=embeds,
        components=components,
        attachments=files or [],
        ephemeral_for=ephemeral_for,
    )
    if replied_to is not None:
        message.type, message.replied_to = REPLY, replied_to
        message.reference = {"type": 0, "message_id": replied_to.id, "channel_id": channel.id}
        if channel.guild_id:
            message.reference["guild_id"] = channel.guild_id
    mention(world, channel, message, body.get("allowed_mentions"))
    return message


def mention(world: World, channel: FakeChannel, message: FakeMessage, allowed: object, *, ping: bool = True) -> None:
    """Fill in whom a message mentions, and (`ping`) whom it notifies."""
    found = mentions_of(
        text_of(message.content, message.components),
        check_allowed(allowed),
        users=world.users,
        guild=world.guild_of(channel),
        may_mass_mention=bool(world.permissions(channel, message.author.id) & BITS["MENTION_EVERYONE"]),
        replied_to=message.replied_to,
    )
    people = found.users + ([found.replied] if found.replied and found.replied not in found.users else [])
    message.mentions, message.mention_roles, message.mention_everyone = people, found.roles, bool(found.mass)
    if ping and message.ephemeral_for is None:
        message.pings = found.pings


def apply_edit(call: Call, message: FakeMessage, *, ping: bool = False) -> None:
    """Change a message by the body of a PATCH: what is not named stays. Raises as `compose`."""
    body, world = call.form, call.core.world
    channel = world.channels[message.channel_id]
    if "flags" in body:
        message.flags = (message.flags & ~4) | (int(body["flags"] or 0) & (4 | COMPONENTS_V2))
    if "content" in body:
        message.content = check_content(body["content"])
    if "embeds" in body:
        message.embeds = check_embeds(body["embeds"])
    if "components" in body:
        message.components = check_components(body["components"], message.flags)
    if "attachments" in body or call.files:
        listed = body.get("attachments")
        kept = {str(one.get("id")) for one in listed or [] if isinstance(one, dict)}
        old = message.attachments if listed is None else [one for one in message.attachments if one.id in kept]
        message.attachments = old + uploads(world, channel, call.files, listed)
    if not (message.content.strip() or message.embeds or message.components or message.attachments):
        raise refused(50006)
    mention(world, channel, message, body.get("allowed_mentions"), ping=ping)
