"""scikit-learn's multi-layer perceptrons on compiled steps: `MLPClassifier` and `MLPRegressor`.

Parameters, attributes and methods are those of `sklearn.neural_network`, so that they stand in pipelines, searches and
ensembles; docs/sklearn.md says what there is besides. Needs scikit-learn: `pip install "pyautograd-core[sklearn]"`.
"""

try:
    import sklearn.utils.validation as _validation
except ImportError:
    raise ImportError(
        'pyautograd.sklearn needs scikit-learn: pip install "pyautograd-core[sklearn]"', name="sklearn"
    ) from None
if not hasattr(_validation, "validate_data"):
    raise ImportError("pyautograd.sklearn needs scikit-learn 1.6 or later", name="sklearn")

from pyautograd.sklearn._classifier import MLPClassifier
from pyautograd.sklearn._regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]


def __dir__() -> list[str]:
    return sorted(__all__)
