"""How large the moving picture of a graph is, how long a browser takes to open it, and how long a step takes.

    python benchmarks/moving_picture.py     # needs Chromium

The graph is a net's loss of about 300 nodes, the most that are drawn one by one. A step that stays under 16.7 ms drops
no frame of sixty in a second. Of each step the least of five rounds counts, as other work on the machine only adds.
Painting comes on top.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path

from pyautograd.scalar import MLP, Value, trace

MEASURE = """<script>
const opened = performance.now(), times = []
for (let round = 0; round < 5; round++) for (let step = 0; step <= end; step++) {
  const start = performance.now()
  go(step)
  document.body.getBoundingClientRect()  // lays out what has changed
  times[step] = Math.min(times[step] ?? Infinity, performance.now() - start)
}
const worst = Math.max(...times), step = times.indexOf(worst)
times.sort((a, b) => a - b)
const found = { opened, steps: times.length, median: times[times.length >> 1], worst, step }
document.body.innerHTML = `<pre>${JSON.stringify(found)}</pre>`
</script></html>"""


def main() -> int:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("Chromium is not installed", file=sys.stderr)
        return 1
    random.seed(0)
    loss = (MLP(3, [9, 5, 1])([Value(0.5), Value(-1.0), Value(2.0)]) - 1.0) ** 2
    loss.backward()
    tape = trace(loss)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "backprop.html")
        tape.save(page)
        size = page.stat().st_size
        page.write_text(page.read_text(encoding="utf-8").replace("</html>", MEASURE), encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,800", "--dump-dom"]
        dom = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=300, check=True).stdout
    found = json.loads(unescape(re.search(r"<pre>(.*?)</pre>", dom, re.DOTALL).group(1)))
    print(f"{len(tape)} nodes, {size / 1e3:.0f} kB; opened after {found['opened']:.0f} ms")
    print(
        f"{found['steps']} steps: median {found['median']:.1f} ms, longest {found['worst']:.1f} (step {found['step']})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
