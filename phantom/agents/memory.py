"""What the offline agent remembers of a conversation: facts people told it, read back from the conversation itself.

Nothing is stored here: `recall` replays the user's earlier lines, so memory is exactly as durable as the history.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from phantom.agent import HistoryEntry

_REMEMBER = re.compile(r"^(?:please\s+)?remember(?:\s+that)?[\s:,]+(?P<fact>.+)$", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(
    r"^(?:hi[,!.]?\s+|hello[,!.]?\s+)?(?:my name is\s+|call me\s+(?-i:(?=[A-Z])))(?P<name>[^\n.!?,]{1,60})",
    re.IGNORECASE,
)
_FORGET_ALL = re.compile(r"^(?:please\s+)?forget\s+(?:everything|all(?: of it)?|it all)[.!]*$", re.IGNORECASE)
_FORGET = re.compile(r"^(?:please\s+)?forget(?:\s+about|\s+that)?\s+(?P<what>.+)$", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_COMMON = frozenset(
    _WORD.findall(
        "a am an and are about at called do does for have how i in is it its me my name named of on our the that this "
        "to tell was we what what's when where which who who's whose why you your please know remember"
    )
)
_MAX_FACT = 300


@dataclass(slots=True)
class Memory:
    """Facts in the order they were told, and each writer's name by author id."""

    facts: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def take(self, text: str, author_id: str) -> str | None:
        """Learn or forget from one line; what happened as a sentence for chat, or None when the line is neither."""
        line = " ".join(text.split())
        if line.endswith("?"):
            return None
        if match := _NAME.match(line):
            return self._learn_name(match["name"].strip(), author_id)
        if match := _REMEMBER.match(line):
            fact = match["fact"].strip()[:_MAX_FACT].rstrip(".!")
            if inner := _NAME.match(fact):
                return self._learn_name(inner["name"].strip(), author_id)
            if fact.lower() not in (known.lower() for known in self.facts):
                self.facts.append(fact)
            return f"I will remember that {_second_person(fact)}."
        if _FORGET_ALL.match(line):
            self.facts.clear()
            self.names.pop(author_id, None)
            return "I have forgotten everything you told me here."
        if match := _FORGET.match(line):
            return self._forget(match["what"], author_id)
        return None

    def answer(self, question: str, author_id: str) -> str | None:
        """What is known in answer to `question`, or None."""
        lowered = " ".join(question.lower().split()).rstrip("?!. ")
        if re.search(r"\b(?:what(?:'s| is) my name|who am i|do you know my name)\b", lowered):
            name = self.names.get(author_id)
            return f"Your name is {name}." if name else "You have not told me your name yet. Try `my name is Ada`."
        if re.search(r"\bwhat (?:do|can) you remember\b|\bwhat do you know about me\b", lowered):
            return self._everything(author_id)
        if not re.match(r"(?:what|who|where|when|which|whose|how|do you (?:know|remember)|is |are |tell me)", lowered):
            return None
        wanted = _keywords(lowered)
        found = [fact for fact in self.facts if wanted & _keywords(fact)]
        return f"You told me that {_second_person(found[-1])}." if found else None

    def _learn_name(self, name: str, author_id: str) -> str:
        self.names[author_id] = name
        return f"Nice to meet you, {name}. Ask me `what is my name?` later in this conversation."

    def _forget(self, what: str, author_id: str) -> str:
        wanted = _keywords(what)
        if "name" in what.lower() and self.names.pop(author_id, "") != "":
            return "I have forgotten your name."
        gone = [fact for fact in self.facts if wanted and wanted <= _keywords(fact)]
        if not gone:
            return "I do not remember anything like that. `what do you remember?` lists what I know."
        self.facts = [fact for fact in self.facts if fact not in gone]
        return "Forgotten: " + "; ".join(_second_person(fact) for fact in gone) + "."

    def _everything(self, author_id: str) -> str:
        lines = [f"- your name is {name}" for name in (self.names.get(author_id),) if name]
        lines += [f"- {_second_person(fact)}" for fact in self.facts]
        if not lines:
            return "Nothing yet in this conversation. Try `remember my cat is called Mia`."
        return "In this conversation you told me:\n\n" + "\n".join(lines)


def recall(history: Iterable[HistoryEntry]) -> Memory:
    """The memory that the earlier lines of a conversation add up to."""
    memory = Memory()
    for entry in history:
        if entry.role == "user":
            memory.take(entry.text, entry.author_id)
    return memory


_SECOND_PERSON = {"i": "you", "my": "your", "mine": "yours", "me": "you", "am": "are", "i'm": "you're", "our": "your"}


def _second_person(fact: str) -> str:
    """`my cat is called Mia` → `your cat is called Mia`; enough for an echo, not grammar."""
    return re.sub(r"\b(?:i'm|i|my|mine|me|am|our)\b", lambda m: _SECOND_PERSON[m[0].lower()], fact, flags=re.IGNORECASE)


def _keywords(text: str) -> frozenset[str]:
    return frozenset(word for word in (w.lower() for w in _WORD.findall(text)) if word not in _COMMON)
