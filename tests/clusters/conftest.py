"""These tests need scikit-learn and its joblib, and leave no thread or process of theirs to other tests."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("sklearn") else ["test_*.py"]
