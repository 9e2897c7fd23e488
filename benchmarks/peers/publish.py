"""Puts tables and plots where they are read: between markers in README.md and docs/benchmarks.md, and in docs/images.

    <!-- bench-peers: moons -->
    … what stands here is replaced …
    <!-- /bench-peers -->

A section of which nothing was measured keeps what it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peers import plots, tables

ROOT = Path(__file__).resolve().parents[2]


def fill(text: str, sections: Mapping[str, str]) -> str:
    """The text with every section between its markers; ValueError if one has no place there.

    >>> print(fill("<!-- bench-peers: a -->\\nold\\n<!-- /bench-peers -->", {"a": "new"}))
    <!-- bench-peers: a -->
    <BLANKLINE>
    new
    <BLANKLINE>
    <!-- /bench-peers -->
    """
    for name, section in sections.items():
        pattern = re.compile(rf"(<!-- bench-peers: {re.escape(name)} -->\n).*?(<!-- /bench-peers -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"there is no place for {name!r}: no line '<!-- bench-peers: {name} -->'")
        text = pattern.sub(lambda match, section=section: f"{match[1]}\n{section}\n\n{match[2]}", text)
    return text


def publish(found: Mapping[str, Any], root: Path = ROOT) -> list[Path]:
    """Writes all that `found` has a part of; the files."""
    written = []
    pages = [(root / "docs" / "benchmarks.md", tables.sections(found))]
    if "1" in found["runs"]:
        pages.append((root / "README.md", {"readme": tables.readme(found)}))
    for path, sections in pages:
        path.write_text(fill(path.read_text(encoding="utf-8"), sections), encoding="utf-8")
        written.append(path)
    for threads, run in found["runs"].items():
        if tables.nets_of(run):
            picture = root / "docs" / "images" / ("steps.svg" if threads == "1" else f"steps-{threads}.svg")
            plots.draw(run, picture)
            written.append(picture)
    return written
