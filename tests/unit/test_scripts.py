"""The project's own checks find what they are for, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import links
from scripts.house_rules import findings

BAD = {
    "channels/a/time_of_day.py": ('"""Doc."""\nimport time\n\nNOW = time.time()\n', "reads the time"),
    "phantom/catches.py": ('"""Doc."""\ntry:\n    pass\nexcept Exception:\n    pass\n', "catches everything"),
    "phantom/bare.py": ('"""Doc."""\ntry:\n    pass\nexcept:\n    pass\n', "catches everything"),
    "config/utils.py": ('"""Doc."""\n', "says nothing by its name"),
    "phantom/undocumented.py": ("A = 1\n", "no module docstring"),
    "phantom/long.py": ('"""Doc."""\n' + "A = 1\n" * 400, "the limit is 400"),
    "tests/unit/__init__.py": ('"""Doc."""\n', "tests hold no __init__.py"),
    "tests/unit/test_mocked.py": ('"""Doc."""\nfrom unittest import mock\n', "no mocks"),
    "docs/page.md": ("see /" + "root/somewhere\n", "a path of one machine"),
    "Makefile": ("X = https://py" + "pi.org/simple\n", "package registry"),
    "phantom/unfinished.py": ('"""Doc."""\n# TO' + "DO later\n", "unfinished work"),
}
GOOD = {
    "phantom/clock.py": '"""Doc."""\nimport time\n\nNOW = time.time()\n',
    "phantom/cli/frame.py": '"""Doc."""\ntry:\n    pass\nexcept Exception:\n    pass\n',
    "phantom/tidies.py": '"""Doc."""\ntry:\n    pass\nexcept BaseException:\n    A = 1\n    raise\n',
    "tests/unit/test_fine.py": '"""Doc."""\nimport time\n\nNOW = time.monotonic()\n',
}


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("name", BAD)
def test_each_broken_rule_is_one_line_with_its_place(tmp_path: Path, name: str) -> None:
    text, what = BAD[name]
    (found,) = findings(tree(tmp_path, {name: text}))
    assert found.startswith(name)
    assert what in found


def test_what_is_allowed_is_quiet(tmp_path: Path) -> None:
    assert list(findings(tree(tmp_path, GOOD))) == []


def test_test_files_of_one_name_are_found(tmp_path: Path) -> None:
    root = tree(tmp_path, {"tests/a/test_x.py": '"""Doc."""\n', "tests/b/test_x.py": '"""Doc."""\n'})
    assert any("2 files are called test_x.py" in line for line in findings(root))


def test_links_to_pages_anchors_and_files(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "README.md": "# Top\n\n[a](docs/a.md#two-words) [b](docs/a.md#none) [c](gone.md) [d](https://x.test/y)\n"
            "[e](#top)\n"
            "`[f](code.md)`\n\n```\n[g](fenced.md)\n```\n[h](../outside.md)\n",
            "docs/a.md": "# A\n\n## Two `words`\n",
        },
    )
    found = links.broken(root / "README.md", root)
    assert [line.split(": ")[1] for line in found] == [
        "docs/a.md#none has no such heading",
        "gone.md does not exist",
        "../outside.md does not exist",
    ]
