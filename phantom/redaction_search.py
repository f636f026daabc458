"""Finds known values in text, quickly where there are none, which is nearly always.

Whether a text may hold any of them is told from its squeezed form: a needle of `_BLOCK + _STRIDE - 1` characters or
more covers, wherever it stands, one whole block of eight characters at a multiple of sixteen. So one in two blocks of
the text is looked up in a set of all the blocks that needles may show there, whatever the number of secrets. Only a
text that passes is searched for every spelling. What does *not* live here: which values are known (`redaction.py`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from phantom.redaction_forms import KEPT, forms, rare_forms, squeeze, squeeze_bytes

MASK = "***"

_BLOCK, _STRIDE = 8, 16
_LONG = _BLOCK + _STRIDE - 1
_SHORTEST_NEEDLE = 8
_SHORTEST_SPLIT = 12
"""A shorter value is taken for one that was broken up only if it mixes letters and digits: words meet by chance."""
_SHORTEST_IN_WORDS, _SHORTEST_IN_NUMBERS = 12, 8
"""Shorter values of letters alone, of digits alone, are looked for as whole words: `postgres` is not in postgresql."""
_SHORTEST_CUT = 12
"""So many characters at a text's edge may be a secret that was cut in two, if they are a good part of it."""
_CUT_SHARE = 4
_SHORTEST_IN_PAYLOAD = 16
_STRING_ENDS = ('"', "%22")
_WORD = re.compile("[A-Za-z]+|[0-9]+")
_LETTERS_AND_DIGITS = re.compile(rb"(?=.*[a-z])(?=.*[0-9])", re.DOTALL)


class Spelled:
    """One value, prepared: its forms, each with its squeezed one, those that are looked for in one piece only, and the
    blocks that all these may show. `word`: the value, where it is looked for as a whole word only, else empty.
    """

    __slots__ = ("blocks", "forms", "rare", "word")

    def __init__(self, value: str) -> None:
        self.forms = tuple((form, squeeze(form)) for form in forms(value))
        self.rare = tuple((form, squeeze(form)) for form in rare_forms(value) - forms(value))
        self.word = value if _is_word(value) else ""
        needles = {bare for _, bare in (*self.forms, *self.rare)}
        self.blocks = frozenset(block for needle in needles if len(needle) >= _LONG for block in _blocks(needle))


class Needles:
    """Known values, by name. Immutable once made."""

    def __init__(self, values: Iterable[tuple[str, Spelled]]) -> None:
        spelled: dict[str, str] = {}
        bare: dict[bytes, str] = {}
        rare: dict[bytes, str] = {}
        odd: dict[str, None] = {}
        words: dict[str, re.Pattern[str]] = {}
        blocks: list[frozenset[int]] = []
        for name, value in values:
            blocks.append(value.blocks)
            if value.word:
                words[value.word] = _as_a_word(value.word)
            for some, needles in ((value.forms, bare), (value.rare, rare)):
                for form, needle in some:
                    spelled.setdefault(form, name)
                    if len(needle) < _SHORTEST_NEEDLE:
                        odd[form] = None
                    else:
                        needles.setdefault(needle, name)
        self._forms = tuple(sorted(spelled.items(), key=lambda item: (-len(item[0]), item[0])))
        self._words = words
        self._odd = tuple(odd)
        """Forms that leave too little when squeezed; looked for as they are."""
        self._short = tuple(needle for needle in {**bare, **rare} if len(needle) < _LONG)
        self._blocks = frozenset[int]().union(*blocks)
        splits = ((needle, name) for needle, name in bare.items() if _may_be_split(needle))
        self._splits = tuple(sorted(splits, key=lambda item: (-len(item[0]), item[0])))
        self._longest = max((len(needle) for needle in bare), default=0)

    def suspect(self, text: str) -> bool:
        """False: the text holds none of the values, in no spelling."""
        return self._shows(squeeze(text)) or any(form in text for form in self._odd)

    def _shows(self, data: bytes) -> bool:
        """The same for squeezed text and what can be found in it."""
        for needle in self._short:
            if needle in data:
                return True
        return len(data) >= _LONG and bool(self._blocks) and not self._blocks.isdisjoint(_every_other_block(data))

    def mask(self, text: str, names: set[str]) -> str:
        """`text` with every value masked; `names` gets the names of those that were there."""
        if not self.suspect(text):
            return text
        for form, name in self._forms:
            if form not in text:
                continue
            word = self._words.get(form)
            masked = text.replace(form, MASK) if word is None else word.sub(MASK, text)
            if masked != text:
                text = masked
                names.add(name)
        return self._mask_split(text, names) if self.suspect(text) else text

    def mask_payload(self, body: bytes) -> bytes:
        """A platform's JSON or form with every long value masked, within its strings: it stays what it was otherwise.
        A short value may be a word of the platform's own.
        """
        if not self._shows(squeeze_bytes(body)):
            return body
        text = body.decode("utf-8", "surrogateescape")
        for form, _ in self._forms:
            if len(form) >= _SHORTEST_IN_PAYLOAD and form in text:
                text = text.replace(form, MASK)
        text = self._mask_split(text, set(), within=_STRING_ENDS, least=_SHORTEST_IN_PAYLOAD)
        return text.encode("utf-8", "surrogateescape")

    def mask_cut(self, text: str, names: set[str]) -> str:
        """The same for what stands at the edges of `text` and is a good part of a value: it was cut in two."""
        head, tail = squeeze(text[: 8 * self._longest]), squeeze(text[-8 * self._longest :])
        first = last = 0
        for needle, name in self._splits:
            least = max(_SHORTEST_CUT, len(needle) // _CUT_SHARE)
            if len(needle) <= least:
                continue
            if least <= len(head) and len(text) <= 8 * self._longest and head in needle:
                names.add(name)
                return MASK  # nothing but a piece from the middle
            if found := _overlap(tail, needle, least):
                last = max(last, found)
                names.add(name)
            if found := _overlap(needle, head, least):
                first = max(first, found)
                names.add(name)
        if last:
            text = text[: _start_of_last(text, last)] + MASK
        if first:
            text = MASK + text[_end_of_first(text, first) :]
        return text

    def settled(self, text: str) -> int:
        """How much of `text` can be shown while more is to come: up to where a value may have begun."""
        tail = squeeze(text[-8 * self._longest :]) if self._longest else b""
        held = max((_overlap(tail, needle, 4) for needle, _ in self._splits), default=0)
        return _start_of_last(text, held) if held else len(text)

    def _mask_split(self, text: str, names: set[str], *, within: tuple[str, ...] = (), least: int = 0) -> str:
        """`within`: leave alone what one of these interrupts; `least`: and what is shorter than that, squeezed."""
        data = squeeze(text)
        found: list[tuple[int, int]] = []
        for needle, name in self._splits:
            at = data.find(needle) if len(needle) >= least else -1
            while at >= 0:
                found.append((at, at + len(needle) - 1))
                names.add(name)
                at = data.find(needle, at + len(needle))
        if not found:
            return text
        places = [match.start() for match in KEPT.finditer(text)]
        pieces: list[str] = []
        done = 0
        for first, last in sorted(found):
            begin, end = places[first], places[last] + 1
            if any(mark in text[begin:end] for mark in within):
                continue
            if begin >= done:
                pieces += [text[done:begin], MASK]
            done = max(done, end)
        return "".join((*pieces, text[done:]))


def _is_word(value: str) -> bool:
    if _WORD.fullmatch(value) is None:
        return False
    return len(value) < (_SHORTEST_IN_NUMBERS if value.isdigit() else _SHORTEST_IN_WORDS)


def _as_a_word(value: str) -> re.Pattern[str]:
    return re.compile(f"(?<![0-9A-Za-z]){value}(?![0-9A-Za-z])")


def _may_be_split(needle: bytes) -> bool:
    return len(needle) >= _SHORTEST_SPLIT or _LETTERS_AND_DIGITS.match(needle) is not None


def _blocks(needle: bytes) -> Iterable[int]:
    """What a text's blocks may show of the needle's end, which differs more from needle to needle than the start."""
    end = needle[-_LONG:]
    for at in range(_STRIDE):
        yield memoryview(end[at : at + _BLOCK]).cast("Q")[0]


def _every_other_block(data: bytes) -> memoryview:
    return memoryview(data + bytes(-len(data) % _BLOCK)).cast("Q")[:: _STRIDE // _BLOCK]


def _overlap(left: bytes, right: bytes, least: int) -> int:
    """The length of the longest end of `left` that `right` begins with, if it is at least `least`."""
    if len(right) < least:
        return 0
    left = left[-len(right) :]
    probe = right[:least]
    at = left.find(probe)
    while at >= 0:
        if right.startswith(left[at:]):
            return len(left) - at
        at = left.find(probe, at + 1)
    return 0


def _start_of_last(text: str, count: int) -> int:
    """Where the last `count` kept characters begin."""
    at = len(text)
    while count:
        at -= 1
        count -= KEPT.match(text, at) is not None
    return at


def _end_of_first(text: str, count: int) -> int:
    """Where the first `count` kept characters end."""
    match = next(itertools.islice(KEPT.finditer(text), count - 1, None))
    return match.end()
