"""`python benchmarks/peers`: measures the pyautograd that is installed, never the source tree beside it."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from peers.cli import main  # noqa: E402

sys.exit(main())
