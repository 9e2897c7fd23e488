"""How Sphinx makes the site: see build.py."""

import re

from sphinx.application import Sphinx

import pyautograd

project = "pyautograd"
author = "the pyautograd developers"
version = release = pyautograd.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
html_theme = "furo"
html_title = "pyautograd"
html_show_sourcelink = False
html_copy_source = False
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # pages that begin below the first level
autodoc_typehints = "signature"
autodoc_member_order = "alphabetical"
default_role = "code"
python_use_unqualified_type_names = True
nitpicky = False
highlight_language = "none"  # of blocks that name none
REPOSITORY = "https://github.com/pyautograd/pyautograd/blob/main/"


def of_markdown(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are written as they are read: code between single backticks, everything else as it stands."""
    for i, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        parts = re.split(r"(`+[^`]+`+|\*\*\w[^*]*\*\*)", line)
        for k, part in enumerate(parts):
            if part.startswith("`"):
                parts[k] = f"``{part.strip('`')}``"
            elif not re.match(r"\*\*\w", part):
                parts[k] = re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part)
        lines[i] = "".join(parts)


def to_repository(app: Sphinx, page: str, source: list[str]) -> None:
    """A link to what is no page leads to the repository; a link of README.md to a page there leads to the page here."""

    def link(found: re.Match[str]) -> str:
        place = found.group(1)
        if "://" in place or place.startswith("#") or re.search(r"\.md(#|$)|\.svg$|\.png$", place):
            return found.group()
        path = re.sub(r"^(\.\./)+", "", place)
        return f"]({REPOSITORY}{path})"

    source[0] = re.sub(r"\]\(([^()\s]+)\)", link, source[0])
    if page == "README":
        source[0] = re.sub(rf"{re.escape(REPOSITORY)}(\S+\.md)", r"\1", source[0])


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", of_markdown)
    app.connect("source-read", to_repository)
