"""Predictions of one net, from a NumPy array to a NumPy array, beside other engines on one core.

    python benchmarks/inference.py [--publish]

30-64-64-2, ReLU, float32. Microseconds a call, the least of many short rounds, each engine in turn; the outputs are
compared first. Takes part: what is installed of onnxruntime (with onnx), PyTorch and scikit-learn. --publish writes the
table into docs/programs.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import pyautograd as pa

PAGE = Path(__file__).resolve().parent.parent / "docs" / "programs.md"
BEGIN, END = "<!-- benchmarks/inference.py -->", "<!-- end -->"
WIDTHS = (30, 64, 64, 2)
ROWS = (1, 64, 4096)
ROUNDS, SECONDS = 200, 0.5e-3  # of a round; short ones are not interrupted by what else runs

Array = np.ndarray[Any, Any]
Predict = Callable[[Array], Array]
Layers = list[tuple[Array, Array]]


def net(engine: Any) -> Any:
    layers: list[Any] = []
    for inputs, outputs in pairwise(WIDTHS):
        layers += [engine.nn.Linear(inputs, outputs), engine.nn.ReLU()]
    return engine.nn.Sequential(*layers[:-1])


def ours(layers: Layers) -> Iterator[tuple[str, Predict]]:
    model = net(pa)
    for layer, (weight, bias) in zip(model[::2], layers, strict=True):
        layer.weight.data, layer.bias.data = pa.tensor(weight), pa.tensor(bias)

    @pa.compile(dynamic_batch=True)
    def predict(x: Any) -> Any:
        with pa.no_grad():
            return model(x)

    yield "`pa.compile`", lambda x: predict(x).numpy()


def onnxruntime(layers: Layers) -> Iterator[tuple[str, Predict]]:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, name = [], [], "x"
    for k, (weight, bias) in enumerate(layers):
        weights += [numpy_helper.from_array(weight, f"w{k}"), numpy_helper.from_array(bias, f"b{k}")]
        nodes.append(helper.make_node("Gemm", [name, f"w{k}", f"b{k}"], [f"z{k}"], transB=1))
        name = f"z{k}"
        if k + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [name], [f"h{k}"]))
            name = f"h{k}"
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["rows", w]) for n, w in (("x", 30), (name, 2)))
    made = helper.make_model(helper.make_graph(nodes, "net", [x], [y], weights))
    made.ir_version, made.opset_import[0].version = 10, 20
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    yield f"onnxruntime {onnxruntime.__version__}", lambda x: session.run(None, {"x": x})[0]


def torch(layers: Layers) -> Iterator[tuple[str, Predict]]:
    import torch

    torch.set_num_threads(1)
    model = net(torch).eval()
    with torch.no_grad():
        for layer, (weight, bias) in zip(model[::2], layers, strict=True):
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.copy_(torch.tensor(bias))

    @torch.inference_mode()
    def predict(x: Array) -> Array:
        return model(torch.from_numpy(x)).numpy()

    yield f"PyTorch {torch.__version__.partition('+')[0]}", predict


def sklearn(layers: Layers) -> Iterator[tuple[str, Predict]]:
    import warnings

    import sklearn.neural_network

    import pyautograd.sklearn

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 30), np.float32), rng.standard_normal((200, 2), np.float32)
    theirs = f"scikit-learn {sklearn.__version__}"
    for name, library in (("`pyautograd.sklearn`", pyautograd.sklearn), (theirs, sklearn.neural_network)):
        model = library.MLPRegressor(hidden_layer_sizes=WIDTHS[1:-1], max_iter=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y)
        model.coefs_, model.intercepts_ = [w.T.copy() for w, _ in layers], [b for _, b in layers]
        yield name, model.predict


def micros(predict: Predict, x: Array, number: int) -> float:
    begun = time.perf_counter()
    for _ in range(number):
        predict(x)
    return (time.perf_counter() - begun) / number * 1e6


def measure(engines: dict[str, Predict], rows: int) -> dict[str, float]:
    x = np.random.default_rng(rows).standard_normal((rows, WIDTHS[0]), np.float32)
    wanted = next(iter(engines.values()))(x)
    for name, predict in engines.items():
        for _ in range(10):
            np.testing.assert_allclose(predict(x), wanted, rtol=1e-4, atol=1e-5, err_msg=name)
    numbers = {name: max(1, int(SECONDS * 1e6 / micros(predict, x, 3))) for name, predict in engines.items()}
    best = dict.fromkeys(engines, np.inf)
    for _ in range(ROUNDS):
        for name, predict in engines.items():
            best[name] = min(best[name], micros(predict, x, numbers[name]))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publish", action="store_true", help="write the table into docs/programs.md")
    publish = parser.parse_args().publish
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rng = np.random.default_rng(0)
    layers = [
        ((rng.standard_normal((m, n)) / n**0.5).astype(np.float32), rng.standard_normal(m, np.float32))
        for n, m in pairwise(WIDTHS)
    ]
    with threadpool_limits(1):
        lines = table(layers)
    if publish:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        if not rest:
            sys.exit(f"{PAGE} has no {BEGIN}")
        made = "\n".join([BEGIN, "", *lines, "", END])
        PAGE.write_text(before + made + rest.partition(END)[2], encoding="utf-8")


def table(layers: Layers) -> list[str]:
    kinds = [ours, *(each for each in (onnxruntime, torch, sklearn) if importlib.util.find_spec(each.__name__))]
    engines = dict(engine for kind in kinds for engine in kind(layers))
    lines = [f"| rows | {' | '.join(engines)} |", "|---" * (len(engines) + 1) + "|"]
    print(*lines, sep="\n")
    for rows in ROWS:
        best = measure(engines, rows)
        lines.append(f"| {rows:,} | " + " | ".join(f"{each:,.1f} µs" for each in best.values()) + " |")
        print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    main()
