"""How Sphinx makes the site: see build.py."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

import pyautograd

project = "pyautograd"
author = "the pyautograd developers"
version = release = pyautograd.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
html_theme = "furo"
html_title = "pyautograd"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {  # the colours of the moving picture
    "light_css_variables": {"color-brand-primary": "#9c3f00", "color-brand-content": "#9c3f00"},
    "dark_css_variables": {"color-brand-primary": "#f2a35e", "color-brand-content": "#f2a35e"},
}
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # pages that begin below the first level
add_module_names = False
autodoc_typehints = "signature"
autodoc_member_order = "alphabetical"
default_role = "code"
python_use_unqualified_type_names = True
nitpicky = False
highlight_language = "none"  # of blocks that name none
REPOSITORY = "https://github.com/pyautograd/pyautograd/blob/main/"
RAW = "https://raw.githubusercontent.com/pyautograd/pyautograd/main/"
BLOCKS = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def of_markdown(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are written as they are read: code between single backticks, also over the end of a line, everything
    else as it stands; what is indented below a line that ends with a colon is a block of its own."""
    made: list[str] = []
    for block in re.split(r"\n{2,}", "\n".join(lines)):
        if block.lstrip().startswith(">>>"):
            made.append(block)
        elif block.startswith("    ") and made and made[-1].endswith(":"):
            made += ["::", block]
        elif block.startswith("    ") and len(made) > 1 and made[-2] == "::":
            made[-1] += "\n\n" + block
        else:
            made.append("".join(map(_of_words, re.split(r"(`+[^`]+`+|\*\*\w[^*]*\*\*)", block))))
    lines[:] = "\n\n".join(made).split("\n")


def _of_words(part: str) -> str:
    if part.startswith("`"):
        return f"``{part.strip('`')}``"
    return part if re.match(r"\*\*\w", part) else re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part)


def to_repository(app: Sphinx, page: str, source: list[str]) -> None:
    """A link to what is no page leads to the repository; a link of README.md to a page there leads to the page here. A
    picture that moves, as a page of its name beside it does, is shown moving."""

    def link(found: re.Match[str]) -> str:
        place = found.group(1)
        if "://" in place or place.startswith("#") or re.search(r"\.(md|html)(#|$)|\.svg$|\.png$", place):
            return found.group()
        path = re.sub(r"^(\.\./)+", "", place)
        return f"]({REPOSITORY}{path})"

    def moving(found: re.Match[str]) -> str:
        words, place = found.groups()
        page_of = f"{place[:-4]}.html"
        if page_of in source[0] or not Path(app.srcdir, page).parent.joinpath(page_of).exists():
            return found.group()
        return f'<iframe class="moving" src="{page_of}" height="580" loading="lazy" title="{words}"></iframe>'

    text = source[0].replace("**reference** of the site", "[reference](reference/index.md)")  # made with the site
    if page == "README":
        text = re.sub(rf"{re.escape(REPOSITORY)}(\S+\.md)", r"\1", text).replace(RAW, "")
        for name, place in re.findall(r"^\[([^]]+)\]: (\S+\.svg)$", text, re.MULTILINE):
            text = text.replace(f"][{name}]", f"]({place})")
    parts = BLOCKS.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"^!\[([^]]*)\]\((\S+\.svg)\)$", moving, parts[i], flags=re.MULTILINE)
        parts[i] = re.sub(r"\]\(([^()\s]+)\)", link, parts[i])
    for i in range(1, len(parts), 2):
        parts[i] = re.sub(r"\n+```$", "\n```", parts[i])  # doctest wants a line between an example's output and the end
    source[0] = "".join(parts)


def mark_wide(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Pictures more than twice as wide as high, which a small screen could only show too small, get a class."""
    for image in tree.findall(nodes.image):
        path = Path(app.srcdir, image["uri"])
        size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', path.read_text("utf-8")) if path.suffix == ".svg" else None
        if size and float(size[1]) > 2 * float(size[2]):
            image["classes"].append("wide")


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", of_markdown)
    app.connect("source-read", to_repository)
    app.connect("doctree-resolved", mark_wide)
