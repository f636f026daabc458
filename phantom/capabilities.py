"""What a channel can do, as flags. A flag is a promise that the conformance kit checks both ways."""

from __future__ import annotations

from enum import Flag, auto


class Capability(Flag):
    """Each flag stands for behaviour; the `Supports*` protocol named beside it in `phantom.channel` carries it."""

    TEXT = auto()  # Channel.send
    THREADS = auto()  # replies land in ConversationRef.thread
    EDIT = auto()  # SupportsEdit
    DELETE = auto()  # SupportsDelete
    REACT = auto()  # SupportsStatus
    TYPING = auto()  # SupportsTyping
    ATTACH_IN = auto()  # SupportsDownload
    ATTACH_OUT = auto()  # OutboundMessage.attachments
    BUTTONS = auto()  # OutboundMessage.buttons
    EPHEMERAL = auto()  # OutboundMessage.only_for
    COMMANDS = auto()  # CommandInvoked events
    LOOKUP = auto()  # SupportsLookup: find an earlier send by its idempotency key
    AUTHORS = auto()  # SupportsAuthors
    INTRODUCE = auto()  # SupportsIntroduction
    ROUTES = auto()  # SupportsRoutes: wants paths on the shared HTTP server
    SILENT_EDIT = auto()  # an edit notifies nobody: the answer to a long turn is a message of its own

    def names(self) -> tuple[str, ...]:
        """The flags that are set, lower case, for status output and docs."""
        return tuple(member.name.lower() for member in type(self) if member in self and member.name)
