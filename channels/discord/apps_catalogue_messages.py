"""What an app may put into a Discord message or form, checked before Discord is asked. Unknown keys are refused.

Limits: https://discord.com/developers/docs/resources/message#embed-object-embed-limits and
https://discord.com/developers/docs/components/reference. Characters are counted as code points.
What does *not* live here: the other parameters of the actions (`apps_catalogue_params.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Snowflake = Annotated[str, Meta(pattern=r"^[0-9]{1,20}\Z", description="an id of 1 to 20 digits, as text")]
CustomId = Annotated[str, Meta(min_length=1, max_length=100)]
Flags = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF, description="Discord's message flags as one number")]
EMBED_CHARACTERS = 6000
"""Over all embeds of one message: titles, descriptions, fields, footers and author names."""
COMPONENTS = 40
"""Over a whole message, nested ones included."""
COMPONENT_DEPTH = 6
ROW, STRING_SELECT = 1, 3
IN_A_ROW = 5
OPTIONS = 25
_CHILDREN = ("components", "component", "accessory")

_Url = Annotated[str, Meta(max_length=2048)]
_Pixels = Annotated[int, Meta(ge=0)]


class Params(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that an app sends: unknown keys are refused, at every level."""


class EmbedFooter(Params, frozen=True, kw_only=True):
    """The line at the bottom."""

    text: Annotated[str, Meta(max_length=2048)]
    icon_url: _Url | UnsetType = UNSET
    proxy_icon_url: _Url | UnsetType = UNSET


class EmbedMedia(Params, frozen=True, kw_only=True):
    """A picture or a video. All but `url` is what Discord answers; it may be sent back and is ignored there."""

    url: _Url | UnsetType = UNSET
    proxy_url: _Url | UnsetType = UNSET
    height: _Pixels | UnsetType = UNSET
    width: _Pixels | UnsetType = UNSET
    content_type: Annotated[str, Meta(max_length=256)] | UnsetType = UNSET
    placeholder: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET
    placeholder_version: int | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET
    flags: int | UnsetType = UNSET


class EmbedProvider(Params, frozen=True, kw_only=True):
    """Where a link's preview came from; ignored when sent."""

    name: Annotated[str, Meta(max_length=256)] | UnsetType = UNSET
    url: _Url | UnsetType = UNSET


class EmbedAuthor(Params, frozen=True, kw_only=True):
    """The line at the top."""

    name: Annotated[str, Meta(max_length=256)]
    url: _Url | UnsetType = UNSET
    icon_url: _Url | UnsetType = UNSET
    proxy_icon_url: _Url | UnsetType = UNSET


class EmbedField(Params, frozen=True, kw_only=True):
    """One cell."""

    name: Annotated[str, Meta(max_length=256)]
    value: Annotated[str, Meta(max_length=1024)]
    inline: bool | UnsetType = UNSET


class Embed(Params, frozen=True, kw_only=True):
    """An embed as Discord's API has it (snake_case), so that one that was read can be sent again."""

    title: Annotated[str, Meta(max_length=256)] | UnsetType = UNSET
    type: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET
    url: _Url | UnsetType = UNSET
    timestamp: Annotated[str, Meta(max_length=64, description="ISO 8601")] | UnsetType = UNSET
    color: Annotated[int, Meta(ge=0, le=0xFF_FFFF)] | UnsetType = UNSET
    footer: EmbedFooter | UnsetType = UNSET
    image: EmbedMedia | UnsetType = UNSET
    thumbnail: EmbedMedia | UnsetType = UNSET
    video: EmbedMedia | UnsetType = UNSET
    provider: EmbedProvider | UnsetType = UNSET
    author: EmbedAuthor | UnsetType = UNSET
    fields: Annotated[list[EmbedField], Meta(max_length=25)] | UnsetType = UNSET
    flags: int | UnsetType = UNSET

    @property
    def characters(self) -> int:
        """What counts towards `EMBED_CHARACTERS`."""
        texts: list[str | UnsetType] = [self.title, self.description]
        if isinstance(self.footer, EmbedFooter):
            texts.append(self.footer.text)
        if isinstance(self.author, EmbedAuthor):
            texts.append(self.author.name)
        for field in self.fields or ():
            texts += (field.name, field.value)
        return sum(len(text) for text in texts if isinstance(text, str))


class AllowedMentions(Params, frozen=True, kw_only=True):
    """Whom a message may ping. Both spellings of the last one are taken."""

    parse: Annotated[list[Literal["users", "roles", "everyone"]], Meta(max_length=3)] | UnsetType = UNSET
    users: Annotated[list[Snowflake], Meta(max_length=100)] | UnsetType = UNSET
    roles: Annotated[list[Snowflake], Meta(max_length=100)] | UnsetType = UNSET
    replied_user: bool | UnsetType = UNSET
    repliedUser: bool | UnsetType = UNSET


Components = Annotated[list[dict[str, Any]], Meta(max_length=COMPONENTS, description="as Discord's API has them")]


class MessageParams(Params, frozen=True, kw_only=True):
    """What a message may hold, in every action that writes one."""

    content: Annotated[str, Meta(max_length=2000)] | UnsetType = UNSET
    embeds: Annotated[list[Embed], Meta(max_length=10)] | UnsetType = UNSET
    allowedMentions: AllowedMentions | UnsetType = UNSET
    components: Components | UnsetType = UNSET
    flags: Flags | UnsetType = UNSET
    stickerIds: Annotated[list[Snowflake], Meta(max_length=3)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Raises `ValueError`, which the decoder turns into its own, for what no single field can tell."""
        if sum(embed.characters for embed in self.embeds or ()) > EMBED_CHARACTERS:
            raise ValueError(f"`embeds`: more than {EMBED_CHARACTERS} characters in all; send several messages")
        check_components(self.components or ())


class NewMessageParams(MessageParams, frozen=True, kw_only=True):
    """A message that must say something."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.content or self.embeds or self.components or self.stickerIds):
            raise ValueError("`content`: an empty message; give content, embeds, components or stickerIds")


def check_components(components: Iterable[object]) -> None:
    """Refuses components that Discord would refuse by their number, nesting or custom ids. Raises `ValueError`."""
    budget = COMPONENTS
    waiting = [(f"components[{index}]", 1, one) for index, one in enumerate(components)]
    while waiting:
        path, depth, one = waiting.pop()
        budget -= 1
        if budget < 0:
            raise ValueError(f"`components`: more than {COMPONENTS} components in one message")
        if depth > COMPONENT_DEPTH:
            raise ValueError(f"`{path}`: components nested more than {COMPONENT_DEPTH} deep")
        _check_component(path, one)
        assert isinstance(one, Mapping)  # noqa: S101 - checked on the line before
        waiting += ((child_path, depth + 1, child) for child_path, child in _children(path, one))


def _children(path: str, one: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    for key in _CHILDREN:
        inside = one.get(key)
        if isinstance(inside, list):
            yield from ((f"{path}.{key}[{index}]", child) for index, child in enumerate(inside))
        elif inside is not None:
            yield f"{path}.{key}", inside


def _check_component(path: str, one: object) -> None:
    kind = one.get("type") if isinstance(one, Mapping) else None
    if not isinstance(one, Mapping) or not isinstance(kind, int) or isinstance(kind, bool):
        raise ValueError(f"`{path}`: must be an object whose type is Discord's number of a component")  # noqa: TRY004
    custom_id = one.get("custom_id")
    if custom_id is not None and not (isinstance(custom_id, str) and 1 <= len(custom_id) <= 100):
        raise ValueError(f"`{path}.custom_id`: must be a text of 1 to 100 characters")
    inside = one.get("components")
    if kind == ROW and not (isinstance(inside, list) and 1 <= len(inside) <= IN_A_ROW):
        raise ValueError(f"`{path}.components`: a row holds 1 to {IN_A_ROW} components")
    options = one.get("options")
    if kind == STRING_SELECT and not (isinstance(options, list) and 1 <= len(options) <= OPTIONS):
        raise ValueError(f"`{path}.options`: a menu holds 1 to {OPTIONS} options")
