"""A tensor's text is PyTorch's: one width, digits by the numbers, dots in the middle of long axes."""

from __future__ import annotations

import math

import pytest

import pyautograd as pa

WRITTEN = [
    (pa.ones(3) > 0, "tensor([True, True, True])"),
    (pa.tensor([True, False]), "tensor([ True, False])"),
    (pa.tensor([1.0, -20.0, math.inf]), "tensor([  1., -20.,  inf])"),
    (pa.tensor([0.5, math.nan]), "tensor([0.5000,    nan])"),
    (pa.tensor([1.0, 1e-3]), "tensor([1.0000, 0.0010])"),
    (pa.tensor([1.0, 1e-4]), "tensor([1.0000e+00, 1.0000e-04])"),
    (pa.zeros(0, 3), "tensor([], size=(0, 3))"),
    (pa.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (pa.zeros(11) * -2, "tensor([-0., -0., -0., -0., -0., -0., -0., -0., -0., -0., -0.])"),
    (pa.zeros(3, 400).bool()[:, :3], "tensor([" + ",\n        ".join(["[False, False, False]"] * 3) + "])"),
    (pa.full((11,), 0.5).double(), f"tensor([{', '.join(['0.5000'] * 9)},\n        0.5000, 0.5000], dtype=float64)"),
]


@pytest.mark.parametrize("tensor, text", WRITTEN, ids=[text[:30] for _, text in WRITTEN])
def test_text(tensor: pa.Tensor, text: str) -> None:
    assert repr(tensor) == text


def test_a_format_of_one_number_is_refused_for_several() -> None:
    assert f"{pa.tensor([0.25]):.1f}" == "0.2"
    with pytest.raises(ValueError, match=r"'\.2f' is of one number, and the tensor has shape \(2,\); write \[f"):
        f"{pa.ones(2):.2f}"


def test_options_hold_until_they_are_set_back() -> None:
    pa.set_printoptions(precision=1, threshold=2, edgeitems=1, sci_mode=False)
    try:
        assert repr(pa.tensor([1e-9, 0.25, 3.0])) == "tensor([0.0,  ..., 3.0])"
        with pytest.raises(ValueError, match="default, short, full"):
            pa.set_printoptions(profile="long")
    finally:
        pa.set_printoptions(profile="default")
    assert repr(pa.tensor([0.25, 3.0])) == "tensor([0.2500, 3.0000])"


@pytest.mark.parametrize(
    "wrong", [{"threshold": {}}, {"precision": -1}, {"linewidth": 0.5}, {"profile": "long", "precision": 1}]
)
def test_print_options_that_are_refused_change_none(wrong):
    before = repr(pa.ones(2) / 3)
    with pytest.raises((TypeError, ValueError), match="set_printoptions"):
        pa.set_printoptions(**wrong)
    assert repr(pa.ones(2) / 3) == before
