"""What it says to press a button that the agent itself put under an answer: the button's value, as the person's words.

So a choice among buttons or in a menu goes on with the conversation like a message would: it is admitted once, judged
by the same rules, queued in the same lane and answered in the same place. What does *not* live here: approvals and
ratings, which are no words (`side_events.py`).
"""

from __future__ import annotations

from phantom.events import ButtonPressed, InboundEvent
from phantom.messages import InboundMessage

APPROVAL = "approval:"


def spoken(event: InboundEvent) -> InboundEvent:
    """The message that a press amounts to; every other event as it is."""
    if not isinstance(event, ButtonPressed) or event.action.startswith(APPROVAL) or not (event.value or event.action):
        return event
    conversation = event.message.conversation
    return InboundMessage(
        event_id=event.event_id,
        logical_id=f"press:{event.event_id}",
        conversation=conversation,
        # A message that one person alone sees can be neither marked nor replied to.
        message_id="" if event.private else event.message.message_id,
        author=event.author,
        text=event.value or event.action,
        sent_at=event.pressed_at,
        mentions_me=True,
        reply_to=event.message.message_id or None,
        respond_url=event.respond_url if event.private else None,
    )
