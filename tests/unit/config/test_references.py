"""`${…}` inside YAML values: what is substituted, what is refused, and that values are never spliced into YAML."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.references import UNRESOLVED, References
from phantom.errors import SecretError
from phantom.secrets import Secret, held

TOKEN = held("slack_bot_token", "xoxb-known")


def secrets(name: str) -> Secret:
    if name == "slack_bot_token":
        return TOKEN
    raise SecretError(f"unknown secret {name}", hint="did you mean slack_bot_token?")


def resolver(**variables: str) -> References:
    return References(variables.get, secrets)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("plain", "plain"),
        ("${NAME}", "Ada"),
        ("hi ${NAME}, hi ${NAME}!", "hi Ada, hi Ada!"),
        ("${MISSING:-there}", "there"),
        ("${EMPTY:-there}", "there"),
        ("${MISSING:-}", ""),
        ("${NAME:-unused}", "Ada"),
        ("${EMPTY}", ""),
        ("$${NAME}", "${NAME}"),
        ("$NAME costs $5", "$NAME costs $5"),
        ("${MISSING:-a:-b c}", "a:-b c"),
        ("$$${NAME}", "$${NAME}"),
    ],
)
def test_substitutes(written: str, expected: str) -> None:
    references = resolver(NAME="Ada", EMPTY="")
    assert references.resolve(written, "f: x") == expected
    assert references.errors == []


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("${MISSING}", "MISSING, which is not set"),
        ("a ${", "no closing }"),
        ("${}", "malformed"),
        ("${1X}", "malformed"),
        ("${NAME-x}", "malformed"),
        ("${secret:slack_bot_token} ", "inside a longer text"),
        ("Bearer ${secret:slack_bot_token}", "inside a longer text"),
        ("${secret:slak_bot_token}", "unknown secret slak_bot_token"),
    ],
)
def test_refuses_with_the_path(written: str, says: str) -> None:
    references = resolver(NAME="Ada")
    assert references.resolve({"list": ["ok", written]}, "/etc/f.yaml: slack") is UNRESOLVED
    (error,) = references.errors
    assert error.where == "/etc/f.yaml: slack.list[1]"
    assert says in error.message
    assert error.hint


def test_a_secret_reference_is_the_live_handle() -> None:
    assert resolver().resolve("${secret:slack_bot_token}", "f: x") is TOKEN


def test_no_secrets_where_none_belong() -> None:
    references = References(lambda _: None, None)
    assert references.resolve("${secret:slack_bot_token}", "f: x") is UNRESOLVED
    assert "only channel settings" in references.errors[0].hint


def test_every_fault_is_collected() -> None:
    references = resolver()
    references.resolve({"a": "${A}", "b": ["${B}", {"c": "${C}"}]}, "f: x")
    assert [error.where for error in references.errors] == ["f: x.a", "f: x.b[0]", "f: x.b[1].c"]


@given(st.text())
def test_a_variable_is_text_and_nothing_else(value: str) -> None:
    """Whatever a variable holds (YAML, references, newlines) arrives unchanged, as text."""
    written = yaml.safe_load("key: ${VALUE}")
    resolved = resolver(VALUE=value).resolve(written, "f")
    assert resolved == {"key": value}


@given(st.text().filter(lambda text: "${" not in text))
def test_text_without_a_reference_is_unchanged(text: str) -> None:
    references = resolver()
    assert references.resolve(text, "f") == text
    assert references.errors == []


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_document_resolves_or_says_where(value: object) -> None:
    references = resolver()
    resolved = references.resolve(value, "f: root")
    assert (resolved is UNRESOLVED) == bool(references.errors)
    assert all(error.where.startswith("f: root") and error.hint for error in references.errors)


@given(st.text(alphabet="abc\n :#'\"{}[]", min_size=12))
def test_an_error_never_repeats_the_value(value: str) -> None:
    references = resolver()
    references.resolve(f"{value}${{MISSING}}", "f: x")
    assert value not in str(references.errors[0])
