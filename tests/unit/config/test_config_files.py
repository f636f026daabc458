"""Finding and reading the YAML files: every malformed file is one clear error that does not quote the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.files import find_config_dir, read_document
from phantom.errors import ConfigError

SECRET = "xoxb-do-not-show-this"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "phantom.yaml"


def refusal(file: Path, content: str | bytes) -> ConfigError:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read_document(file)
    assert SECRET not in str(caught.value)
    assert str(file) in caught.value.where
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"a: 1\nb: {SECRET}\na: 2\n", "twice (line 3)"),
        (f"- {SECRET}\n", "holds a list"),
        (f"{SECRET}\n", "holds text"),
        (f"a: [{SECRET}\n", "not valid YAML (line"),
        (f"a: *{SECRET}\n", "not valid YAML (line 1"),
        (f"a: !{SECRET} 1\n", "not valid YAML"),
        (f"a: !!python/object/apply:os.system ['{SECRET}']\n", "not valid YAML"),
        (f"a:\n\t- {SECRET}\n", "not valid YAML (line 2"),
        (f"a: '{SECRET}\n", "not valid YAML"),
        ("a: \x07b\n", "not valid YAML"),
        ("on: yes\n", "a key is not text"),
        ("? [a, b]\n: c\n", "not valid YAML"),
        ("a: 2024-13-45\n", "does not exist"),
        (b"a: \xff\n", "not UTF-8"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: " + "[" * 40 + "]" * 40, "nested too deeply"),
        ("a: " + "b" * 300_000, "larger than 256 KiB"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
    ],
)
def test_a_malformed_file_is_one_clear_error(file: Path, content: str | bytes, says: str) -> None:
    assert says in str(refusal(file, content))


def test_aliases_cannot_blow_up(file: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too large" in str(refusal(file, "\n".join(lines)))
    assert "nested too deeply" in str(refusal(file, "a: &a [*a]"))


def test_a_nested_duplicate_and_a_merge(file: Path) -> None:
    assert "twice" in str(refusal(file, "slack:\n  owner: U1\n  owner: U2\n"))
    file.write_text("base: &base {a: 1, b: 2}\nuser: &user\n  <<: *base\n  a: 3\nlast:\n  <<: *user\n  b: 4\n")
    assert read_document(file).values["last"] == {"a": 3, "b": 4}


def test_empty_missing_folder_and_unreadable(file: Path) -> None:
    assert not read_document(file).found
    file.write_text("# nothing\n")
    assert read_document(file).found
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match="is not a file"):
        read_document(file)
    file.rmdir()
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="is not a file"):
        read_document(file)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_the_right_to_read(file: Path) -> None:
    file.write_text("a: 1")
    file.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_document(file)


def test_the_search_order(tmp_path: Path) -> None:
    flag, variable, cwd = (tmp_path / name for name in ("flag", "variable", "cwd"))
    for folder in (flag, variable, cwd):
        folder.mkdir()
    environ = {"PHANTOM_CONFIG_DIR": str(variable)}
    assert find_config_dir(flag, environ, cwd) == flag
    assert find_config_dir(Path("../flag"), {}, cwd) == cwd / "../flag"
    assert find_config_dir(None, environ, cwd) == variable
    assert find_config_dir(None, {}, cwd) is None
    (cwd / "channels.yaml").write_text("")
    assert find_config_dir(None, {}, cwd) == cwd


@pytest.mark.parametrize("by_flag", [True, False])
def test_a_named_folder_must_exist(tmp_path: Path, by_flag: bool) -> None:
    missing = tmp_path / "missing"
    environ = {} if by_flag else {"PHANTOM_CONFIG_DIR": str(missing)}
    with pytest.raises(ConfigError, match="no such folder") as caught:
        find_config_dir(missing if by_flag else None, environ, tmp_path)
    assert caught.value.where == ("--config" if by_flag else "PHANTOM_CONFIG_DIR")
