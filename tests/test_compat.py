"""Scripts of PyTorch's with only their imports changed: names that stop them before any mathematics."""

import copy
import pickle
import subprocess
import sys
import textwrap
from typing import Any

import pytest

import pyautograd as pa
from pyautograd.nn import functional as F


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


PATHS = [
    ("nn.parameter", "Parameter"), ("nn.modules", "Module"), ("nn.modules.loss", "_Loss"),
    ("nn.modules.activation", "ReLU"), ("nn.utils.clip_grad", "clip_grad_norm_"), ("optim.optimizer", "Optimizer"),
    ("optim.lr_scheduler", "StepLR"), ("utils.data.dataloader", "DataLoader"), ("utils.data.dataset", "Dataset"),
    ("autograd", "Variable"), ("autograd.variable", "Variable"), ("autograd.function", "Function"),
    ("backends.cudnn", "benchmark"), ("backends", "mps"), ("cuda.amp", "GradScaler"), ("amp", "autocast"),
    ("cuda", "device_count"), ("random", "manual_seed"), ("jit", "script"), ("version", "cuda"),
]  # fmt: skip


@pytest.mark.parametrize("registered", [False, True])
def test_what_scripts_import_by_its_path_is_there_and_never_a_second_time(registered: bool) -> None:
    root = "torch" if registered else "pyautograd"
    lines = [f"import {root}.{path}\nfrom {root}.{path} import {name}\nhomes.append({name})" for path, name in PATHS]
    first = "import pyautograd\npyautograd.compat.register('torch')\nimport torch" if registered else ""
    code = "\n".join([first, "homes = []", *lines, "import sys, pyautograd as pa"])
    code += """
assert homes[0] is pa.nn.Parameter and homes[5] is pa.optim.Optimizer and homes[7] is pa.utils.data.DataLoader
print(len({id(module) for name, module in sys.modules.items() if name.endswith(".nn.functional")}))
"""
    assert python(code) == "1\n"


def test_what_is_missing_below_a_registered_name_is_a_module_that_is_not_found() -> None:
    assert (
        python("""
        from pyautograd import compat
        compat.register("torch")
        try:
            import torch.distributed
        except ModuleNotFoundError as error:
            print("distributed" in str(error))
    """)
        == "True\n"
    )


def test_an_import_alone_registers_nothing() -> None:
    assert python("import sys, pyautograd, pyautograd.nn; print('torch' in sys.modules)") == "False\n"


def test_another_package_of_a_name_stays() -> None:
    with pytest.raises(RuntimeError, match="'json' is already imported"):
        pa.compat.register("json")
    import json

    assert json.loads("1") == 1


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (pa.FloatTensor, pa.float32),
        (pa.DoubleTensor, pa.float64),
        (pa.LongTensor, pa.int64),
        (pa.IntTensor, pa.int32),
        (pa.ByteTensor, pa.uint8),
        (pa.BoolTensor, pa.bool),
    ],
)
def test_a_tensor_type_makes_converts_and_recognises(kind: Any, dtype: Any) -> None:
    made = kind([[1, 0], [0, 1]])
    assert made.dtype is dtype
    assert made.tolist() == [[1, 0], [0, 1]]
    assert kind(2, 3).shape == (2, 3)
    assert kind().shape == (0,)
    assert isinstance(made, kind)
    assert pa.ones(2).type(kind).dtype is dtype
    assert pa.ones(2).type(made.type()).dtype is dtype
    kinds = (pa.FloatTensor, pa.DoubleTensor, pa.LongTensor, pa.IntTensor, pa.ByteTensor, pa.BoolTensor)
    assert [each for each in kinds if isinstance(made, each)] == [kind]


def test_tensor_of_ints_is_a_shape_and_of_a_list_its_numbers() -> None:
    assert pa.Tensor(2, 3).shape == (2, 3)
    assert pa.Tensor(4).shape == (4,)
    assert pa.Tensor([4]).tolist() == [4.0]
    with pytest.raises(TypeError, match="sizes, or one sequence"):
        pa.Tensor([1], [2])


def test_a_variable_is_a_tensor_over_the_same_memory() -> None:
    x = pa.ones(2)
    v = pa.autograd.Variable(x, requires_grad=True)
    (v * 3).sum().backward()
    assert isinstance(v, pa.Tensor)
    assert v.grad.tolist() == [3.0, 3.0]
    assert not x.requires_grad
    with pytest.raises(TypeError, match="Variable"):
        pa.autograd.Variable([1.0])


def test_devices_are_made_and_compared_and_only_the_cpu_has_tensors() -> None:
    gpu = pa.device("cuda", 1)
    assert (gpu.type, gpu.index, str(gpu)) == ("cuda", 1, "cuda:1")
    assert gpu == pa.device("cuda:1") == pa.device(1)
    assert gpu != pa.device("cpu")
    assert pa.ones(1).device == pa.device("cpu") == "cpu"
    assert repr(pa.ones(1).device) == "device(type='cpu')"
    assert pickle.loads(pickle.dumps(gpu)) == copy.deepcopy(gpu) == gpu
    assert pickle.loads(pickle.dumps(gpu)).index == 1
    for move in (lambda: pa.ones(1).to(gpu), lambda: pa.zeros(2, device=gpu), pa.ones(1).cuda, pa.nn.ReLU().cuda):
        with pytest.raises(RuntimeError, match="cuda"):
            move()
    for wrong in ("gpu", "cuda:x", "cuda:1:2"):
        with pytest.raises(RuntimeError, match="device"):
            pa.device(wrong)


def test_what_asks_for_a_gpu_is_told_that_there_is_none() -> None:
    assert not pa.cuda.is_available()
    assert pa.cuda.device_count() == 0
    assert not pa.backends.mps.is_available()
    assert pa.accelerator.current_accelerator() is None
    pa.cuda.manual_seed_all(1)
    pa.backends.cudnn.deterministic = True
    with pytest.raises(RuntimeError, match="no GPU"):
        pa.cuda.current_device()


@pytest.mark.parametrize(
    "loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits, F.kl_div]
)
def test_the_old_words_for_a_reduction_mean_the_new_one(loss: Any) -> None:
    x, y = pa.rand(3, 2), pa.rand(3, 2)
    assert loss(x, y, size_average=True).item() == loss(x, y).item()
    assert loss(x, y, size_average=False).item() == loss(x, y, reduction="sum").item()
    assert loss(x, y, reduce=False).tolist() == loss(x, y, reduction="none").tolist()


def test_a_loss_module_takes_the_old_words() -> None:
    assert pa.nn.MSELoss(size_average=False).reduction == "sum"
    assert pa.nn.CrossEntropyLoss(reduce=False).reduction == "none"
    assert pa.nn.BCELoss(size_average=True, reduce=True).reduction == "mean"


def test_mixed_precision_that_is_switched_off_changes_nothing_and_else_is_refused() -> None:
    with pa.amp.autocast("cpu", enabled=False):
        assert (pa.ones(2) @ pa.ones(2)).item() == 2
    with pytest.warns(UserWarning, match="no GPU"):
        pa.amp.autocast("cuda")
    with pytest.raises(NotImplementedError, match="enabled=False"):
        pa.autocast("cpu")
    model = pa.nn.Linear(1, 1)
    scaler, optimizer = pa.amp.GradScaler(), pa.optim.SGD(model.parameters(), lr=1.0)
    before = model.bias.item()
    scaler.scale(model(pa.ones(1, 1)).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert model.bias.item() == before - 1


def test_a_script_compiled_by_jit_is_the_function_and_says_so() -> None:
    with pytest.warns(UserWarning, match="as it is"):
        assert pa.jit.script(len) is len


def test_compile_takes_the_arguments_of_pytorch() -> None:
    model = pa.nn.Linear(2, 1)
    assert pa.compile(model, disable=True) is model
    step = pa.compile(lambda x: x * 2, fullgraph=True, dynamic=False, mode="max-autotune", backend="inductor")
    assert [step(pa.ones(1)).item() for _ in range(4)] == [2.0] * 4


def test_a_fork_of_the_random_stream_leaves_it_as_it_was() -> None:
    pa.manual_seed(3)
    with pa.random.fork_rng():
        pa.rand(5)
    drawn = pa.rand(2).tolist()
    pa.manual_seed(3)
    assert pa.rand(2).tolist() == drawn


def test_files_take_the_arguments_of_pickles(tmp_path: Any) -> None:
    pa.save({"w": pa.ones(2)}, tmp_path / "w.npz", pickle_protocol=4, _use_new_zipfile_serialization=False)
    loaded = pa.load(tmp_path / "w.npz", map_location=lambda storage, location: storage, mmap=True)
    assert loaded["w"].tolist() == [1.0, 1.0]
    assert pa.load(tmp_path / "w.npz", map_location=pa.device("cpu"))["w"].tolist() == [1.0, 1.0]


def test_moves_that_ask_for_more_than_a_device_are_made() -> None:
    x = pa.ones(2)
    assert x.to("cpu", non_blocking=True) is x and x.to("cpu", pa.float64, True).dtype is pa.float64
    assert pa.optim.lr_scheduler._LRScheduler is pa.optim.lr_scheduler.LRScheduler
