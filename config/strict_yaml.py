"""PyYAML's safe loader, made to refuse a key that stands twice (YAML 1.2, section 3.2.1.1: keys are unique)."""

from __future__ import annotations

from typing import Any

import yaml


class DuplicateKey(ValueError):
    """A key stands twice in one mapping. `line` counts from 1."""

    def __init__(self, key: str, line: int) -> None:
        super().__init__(f"duplicate key on line {line}")
        self.key = key
        self.line = line


class StrictLoader(yaml.SafeLoader):
    """`SafeLoader` with unique keys. Keys that come in through a merge (`<<`) may still be overridden."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Before construction: merging adds the merged keys to the node, and those are no duplicates.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise DuplicateKey(key.value, key.start_mark.line + 1)
            seen.add(key.value)
        return node
