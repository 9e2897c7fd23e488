"""The estimators need scikit-learn: without it their tests are not collected."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("sklearn") else ["test_*.py"]
