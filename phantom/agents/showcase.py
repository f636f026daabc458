"""The fixed texts of the offline agent: help, and one long answer that shows splitting, code and tables."""

from __future__ import annotations

HELP = """\
I am {name}, and this is the **built-in offline agent**: plain rules, no language model, no key, no network.

| Say | and I |
| --- | --- |
| `echo hello` | say it back |
| `time` | look at the clock, as a tool |
| `2 * (3 + 4)` | calculate, as a tool |
| `remember my cat is called Mia` | keep it for this conversation |
| `what do you remember?` | list it; `forget …` drops it |
| `status` | say what I know about this conversation |
| `slow 5` | work for five seconds and show progress |
| `approve` | ask you before I act |
| `long` | write a long answer with code and a table |
| `fail` | fail on purpose |

Send me a file and I tell you what arrived.

{plug_in}"""

PLUG_IN = """\
To plug in a model, set `PHANTOM_MODEL` and its key and start again:

```sh
pip install 'phantom-daemon[models]'
export PHANTOM_MODEL=anthropic:claude-sonnet-4-5 ANTHROPIC_API_KEY=…
```

`openai:…`, `openrouter:…` and `ollama:…` work the same way. Your own code: `PHANTOM_AGENT=my_agent:make`."""

_CODE = """\
```python
from phantom.agent import Final, TextDelta, Turn


class Counter:
    name = "counter"

    async def reply(self, turn: Turn):
        words = turn.text.split()
        yield TextDelta(text=f"{len(words)} words: ")
        yield Final(text=f"{len(words)} words: {', '.join(words)}")
```"""


def long_answer(paragraphs: int = 24) -> str:
    """About six thousand characters of CommonMark: headings, a table, a long code fence, a list, numbered prose."""
    table = "\n".join(f"| {n} | {n * n} | {n**3} | `{n:#06b}` |" for n in range(1, 16))
    code = "\n".join(f"def step_{n:02d}(value: int) -> int:\n    return value * {n} + {n % 7}\n" for n in range(1, 31))
    prose = "\n\n".join(
        f"{n}. Paragraph {n} of {paragraphs} is here so that the answer is longer than one message may be. "
        "If you can read every number in order, none was lost and none came twice."
        for n in range(1, paragraphs + 1)
    )
    return (
        "# A long answer\n\nThis is a demonstration of splitting, not knowledge.\n\n"
        f"## A ten-line agent\n\n{_CODE}\n\n"
        f"## A table\n\n| n | n² | n³ | bits |\n| --- | --- | --- | --- |\n{table}\n\n"
        f"## A long code block\n\n```python\n{code}```\n\n"
        f"## Many paragraphs\n\n{prose}\n\n**The end.** Nothing comes after this line."
    )
