"""The pages for readers: what they link to is there, and README.md reads the same on a package index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
FILE = re.compile(r"(?<![\w./*-])[\w/*\[\]-]+\.(?:c|h|\[ch\]|inc|def|py|pyi|sh)(?![\w./*(-])")
FOLDER = re.compile(r"(?<![\w./*-])(?:csrc|pyautograd|tests|benchmarks|examples|docs)/(?:\w+/)*(?![\w.*-])")
SOURCES = [ROOT / folder for folder in ("csrc", "pyautograd", "tests", "benchmarks", "examples")]
REPOSITORY = re.compile(r"https://github\.com/pyautograd/pyautograd/(?:blob|tree)/main/")
LINK = re.compile(r"\]\(([^()\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)

pytestmark = pytest.mark.skipif(not PAGES, reason="the pages are not beside the tests")


def links(page: Path) -> list[str]:
    words = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [inline or reference for inline, reference in LINK.findall(words)]


def anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in links(page):
        place, _, anchor = link.partition("#")
        if REPOSITORY.match(place):
            target = ROOT / REPOSITORY.sub("", place)
        elif "://" in place:
            continue
        else:
            target = page.parent / place if place else page
        made = f'("{place}")' in page.read_text(encoding="utf-8")  # by the page's own code
        assert target.exists() or made, link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_folders_that_are_named_are_there(page: Path) -> None:
    """A file by its path, or by the end of it, in any folder of sources."""
    code = " ".join(CODE.findall(page.read_text(encoding="utf-8")))
    files = set(FILE.findall(code)) - {"Python.h"}
    assert [name for name in files if not any(ROOT.glob(name)) and not any(any(s.rglob(name)) for s in SOURCES)] == []
    assert [name for name in set(FOLDER.findall(code)) if not (ROOT / name).is_dir()] == []


def test_the_readme_has_no_relative_link() -> None:
    assert [link for link in links(ROOT / "README.md") if not re.match(r"https?://|#", link)] == []
