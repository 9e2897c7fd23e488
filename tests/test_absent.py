"""A name of PyTorch that is not here raises an error that names it; to probes it is simply not there."""

import importlib

import pytest

import pyautograd as pa
from pyautograd._absent import INSTEAD
from pyautograd._absent_names import ABSENT

MODULES = {
    path: importlib.import_module(path.replace("torch", "pyautograd", 1)) for path in ABSENT if "Tensor" not in path
}


@pytest.mark.parametrize("path", MODULES)
def test_a_name_that_is_listed_is_not_there_and_its_error_names_it(path: str) -> None:
    for name in " ".join(ABSENT[path].values()).split():
        assert not hasattr(MODULES[path], name)
        assert getattr(MODULES[path], name, None) is None
        with pytest.raises(NotImplementedError, match=rf"^{path}\.{name} of PyTorch is not in pyautograd"):
            getattr(MODULES[path], name)


def test_the_error_says_what_is_left_out_and_what_to_write() -> None:
    with pytest.raises(NotImplementedError, match="leaves out volumes, indices of pooling"):
        pa.nn.Conv3d
    listed = {f"{path}.{name}" for path, groups in ABSENT.items() for name in " ".join(groups.values()).split()}
    assert set(INSTEAD) <= listed


@pytest.mark.parametrize("module", MODULES.values(), ids=list(MODULES))
def test_another_name_is_an_attribute_error_and_no_more(module: object) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'") as raised:
        module.no_such_name  # type: ignore[attr-defined]
    assert not isinstance(raised.value, NotImplementedError)
