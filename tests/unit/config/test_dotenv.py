"""The `.env` grammar."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.dotenv import parse_dotenv, read_dotenv
from phantom.errors import ConfigError

PATH = Path("/somewhere/.env")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  export  A = b  ", "b"),
        ("A=", ""),
        ("A=# nothing", ""),
        ("A=b # comment", "b"),
        ("A=b#c", "b#c"),
        ("A='b # $c'", "b # $c"),
        ('A="b\\n\\"c\\" \\\\"  # why', 'b\n"c" \\'),
        ("A=xoxb-1=2==", "xoxb-1=2=="),
        ("A='multi word'", "multi word"),
    ],
)
def test_reads(line: str, value: str) -> None:
    assert parse_dotenv(f"# first\n\n{line}\n", PATH) == {"A": value}


@pytest.mark.parametrize("line", ["xoxb-secret-alone", "1A=b", "A='xoxb-secret", 'A="xoxb-secret', "=b", "A='b' c"])
def test_a_bad_line_is_named_by_number_not_by_content(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_dotenv(f"OK=1\n{line}\n", PATH)
    assert "line 2" in caught.value.message
    assert caught.value.where == str(PATH)
    assert "xoxb" not in str(caught.value)


@pytest.mark.parametrize("line", ["PHANTOM_ENV=production", "PHANTOM_CONFIG_DIR=/etc"])
def test_what_has_no_effect_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="no effect"):
        parse_dotenv(line, PATH)


def test_saying_development_is_harmless() -> None:
    assert parse_dotenv("PHANTOM_ENV=development", PATH) == {"PHANTOM_ENV": "development"}


def test_none_and_not_text(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_dotenv(tmp_path / ".env")
    (tmp_path / ".env").write_bytes(b"#" * 70_000)
    with pytest.raises(ConfigError, match="larger than 64 KiB"):
        read_dotenv(tmp_path / ".env")


@given(st.text(alphabet=st.characters(exclude_characters="'", exclude_categories=["Cc", "Zl", "Zp", "Cs"])))
def test_single_quotes_keep_everything(value: str) -> None:
    assert parse_dotenv(f"A='{value}'", PATH) == {"A": value}


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing"])
def test_what_is_no_file_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".env"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    with pytest.raises(ConfigError) as refused:
        read_dotenv(path)
    assert (refused.value.where, bool(refused.value.hint)) == (str(path), True)
