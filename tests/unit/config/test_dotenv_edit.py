"""Changing one value of a `.env` file leaves everything else byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.dotenv import parse_dotenv
from config.dotenv_edit import cleared, promoted
from phantom.errors import ConfigError

PATH = Path(".env")
OLD = "old-default-abcdefghijklmnop"
FRESH = "whsec_AAAA+/bbbb="


def turned(text: str) -> str:
    return promoted(text, PATH, default="D", backup="B", fresh=FRESH)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"D={OLD}", f"D={FRESH}\nB={OLD}"),
        (
            f"# a\r\n  export D = '{OLD}'  # why\r\nX=1\r\n",
            f"# a\r\n  export D = '{FRESH}'  # why\r\nexport B='{OLD}'\r\nX=1\r\n",
        ),
        (f'B=\n\nD="{OLD}"\n', f'B="{OLD}"\n\nD="{FRESH}"\n'),
        (f"B=older # keep\nD={OLD} # this\n", f"B={OLD} # keep\nD={FRESH} # this\n"),
        (f"B=# nothing\nD={OLD}#x\n", f"B={OLD}#x # nothing\nD={FRESH}\n"),
        (f"\ufeffD={OLD}\n#D=x\n", f"\ufeffD={FRESH}\nB={OLD}\n#D=x\n"),
    ],
)
def test_a_rotation(before: str, after: str) -> None:
    assert turned(before) == after


def test_clearing_keeps_the_line() -> None:
    assert cleared("A=1\nexport B='x y' # why\n", PATH, "B") == "A=1\nexport B= # why\n"
    assert cleared("A=1\n", PATH, "B") == "A=1\n"


def test_what_is_not_clear_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than once"):
        turned(f"D={OLD}\nD=other\n")
    with pytest.raises(ConfigError, match="not in the file"):
        turned("X=1\n")


VALUES = st.text(alphabet="abcXYZ019+/=_#-.", min_size=1, max_size=20).filter(lambda text: not text.startswith("#"))
LINES = st.sampled_from(["", "# note", "X=1", "export Y='a b' # c", 'Z="q\\"r"', "D2=no", "  W = 3  "])
ENDS = st.sampled_from(["\n", "\r\n"])


@given(st.lists(LINES, max_size=5), st.lists(LINES, max_size=5), VALUES, st.sampled_from(["", "'", '"']), ENDS)
def test_every_other_line_stays(above: list[str], below: list[str], value: str, quote: str, end: str) -> None:
    text = end.join([*above, f"D={quote}{value}{quote}", *below])
    lines = turned(text).split(end)
    assert lines[: len(above)] == above
    assert lines[len(lines) - len(below) :] == below
    found = parse_dotenv(turned(text), PATH)
    assert (found["D"], found["B"]) == (FRESH, value)
