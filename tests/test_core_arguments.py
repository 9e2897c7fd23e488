"""The functions of the compiled module refuse arguments of the wrong number, kind or size with an ordinary exception.

The Python layer above them checks most of this first; what slips through must not bring the process down.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pyautograd as pa
from pyautograd import _core, _ops
from pyautograd.scalar import Neuron, Value

REFUSALS = (TypeError, ValueError, IndexError, OverflowError, RuntimeError, KeyError, MemoryError, UserWarning)


class Broken:
    """Raises when it is asked for anything."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError(name)

    def __bool__(self) -> bool:
        raise ValueError("no truth")

    __float__ = __index__ = __len__ = __iter__ = __bool__  # type: ignore[assignment]


def wrong_things() -> list[Any]:
    """What is wrong in most places."""
    numbers = [None, "text", 2.5, -1, 3, 10**30]
    sequences = [(), (1, "a"), (-1, 2), (1,) * 40, [], [None], {}]
    return [*numbers, *sequences, Broken(), pa.zeros(2), Value(1.0), pa.tensor([True]), object]


w = pa.ones(2, 3, requires_grad=True)


def guards() -> Any:
    return _core.Guards()


def owner() -> Any:
    return type("Owner", (), {"attribute": 1})()


# name: a function and arguments that it takes
CALLS: dict[str, Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]] = {
    "apply, elementwise": lambda: (_core.apply, (_ops.add, w, 1.0)),
    "apply with parameters": lambda: (_core.apply, (_ops.clamp, w, 0.0, 1.0)),
    "apply, whole tensors": lambda: (_core.apply, (_ops.softmax, w, (1,))),
    "apply with floats": lambda: (_core.apply, (_ops.var, w, (1,), (1.0,))),
    "apply to a list": lambda: (_core.apply, (_ops.cat, [w, w], (0,))),
    "in_place": lambda: (_core.in_place, (_ops.add, pa.zeros(2), 1.0)),
    "reshape": lambda: (_core.reshape, (w, (3, 2))),
    "empty": lambda: (_core.empty, (0, (2, 3))),
    "parameter": lambda: (_core.parameter, (pa.zeros(2), True)),
    "copy_into": lambda: (_core.copy_into, (pa.zeros(2), 1.0, "fill_")),
    "check_write": lambda: (_core.check_write, (pa.zeros(2), "fill_")),
    "bump_version": lambda: (_core.bump_version, (pa.zeros(2),)),
    "attach": lambda: (_core.attach, (pa.zeros(2), (w,), lambda g: (g,), "made")),
    "backward": lambda: (_core.backward, (w.sum(), None, False)),
    "backward with a gradient": lambda: (_core.backward, (w * 2, pa.ones(2, 3), True)),
    "grad": lambda: (_core.grad, (w.sum(), (w,), None, False)),
    "tape": lambda: (_core.tape, (w.sum(),)),
    "layer": lambda: (_core.layer, ([Neuron(2), Neuron(2)], [1.0, Value(2.0)], Neuron)),
    "array_over": lambda: (_core.array_over, (w.detach().numpy(),)),
    "is_traced_scalar": lambda: (_core.is_traced_scalar, (1.0,)),
    "record_input": lambda: (_core.record_input, (pa.zeros(2), False)),
    "record_number": lambda: (_core.record_number, (1.0,)),
    "Program": lambda: (_core.Program, (recording(), ())),
    "difference": lambda: (recording().difference, (recording(),)),
    "Value": lambda: (Value, (1.0, (Value(2.0),), "op", "label")),
    "Guards.holds": lambda: (guards().holds, (0,)),
    "Guards.rearm": lambda: (guards().rearm, (0, [])),
    "Guards.referents": lambda: (guards().referents, ((lambda x: lambda: x)(1).__closure__[0],)),  # type: ignore[index]
    "Guards.about": lambda: (guards().about, ([],)),
    "Guards.item": lambda: (guards().item, ({"a": 1}, "a", False)),
    "Guards.length": lambda: (guards().length, ([1, 2], False)),
    "Guards.members": lambda: (guards().members, ([1, 2],)),
    "Guards.neuron": lambda: (guards().neuron, (Neuron(2),)),
    "Guards.attribute": lambda: (guards().attribute, (owner(), "attribute")),
    "Program.set_guards": lambda: (program().set_guards, (guards(),)),
    "Program.call": lambda: (program().call, ((pa.ones(2),),)),
    "Program.exchange": lambda: (program().exchange, (((w, w),),)),
    "Program.set_arguments": lambda: (program(False).set_arguments, (ROWS,)),
    "Program.set_given": lambda: (program().set_given, ((0,),)),
    "Program.set_shared": lambda: (program().set_shared, ((0, 0),)),
    "Program.set_number_places": lambda: (program().set_number_places, ((0, -1),)),
    "Program.set_puts": lambda: (program().set_puts, (((0, 0, -1, None, -1, 0),),)),
    "Program.set_state": lambda: (program().set_state, ((0,), False)),
}


def recording() -> Any:
    """A step of one op, recorded."""
    x = pa.ones(2)
    with _core.recorded():
        _core.record_input(x, False)
        return _core.record_stop((x * 2.0,))


# of one tensor and no more: a tuple of it, and an empty dict
ROWS = ((4, 1, tuple, -1), (0, 0, None, 0), (6, 0, (dict, ()), -1))


def program(has_arguments: bool = True) -> Any:
    made = _core.Program(recording(), ())
    if has_arguments:
        made.set_arguments(ROWS)
    return made


@pytest.mark.parametrize("row", [
    (0, 0, None, 1), (2, 0, None, -1), (8, 0, None, 0), (6, 1, (dict, ()), 0), (6, 0, dict, 0), (9, 0, None, 0),
], ids=["an input too many", "no input", "a container before it", "too few keys", "no keys", "no kind"])  # fmt: skip
def test_rows_that_say_nothing_sensible_are_refused(row: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        program(False).set_arguments((row,))


def test_rows_that_end_too_early_fit_nothing() -> None:
    for n in range(2):
        made = program(False)
        made.set_arguments(ROWS[:n])
        assert made.call((pa.ones(2),)) is NotImplemented


def test_what_a_program_is_told_once_it_is_not_told_again() -> None:
    made = program()
    made.set_guards(guards())
    made.set_given((0,))
    for again in (lambda: made.set_given((0,)), lambda: made.set_guards(guards()), lambda: made.set_arguments(ROWS)):
        with pytest.raises(TypeError, match="once"):
            again()
    assert made.call((pa.ones(2),)).tolist() == [2, 2]


@pytest.mark.parametrize(("name", "wrong"), [
    ("set_given", (1,)), ("set_shared", (0,)), ("set_shared", (1, 0)),
    ("set_number_places", (0, 0, 0)), ("set_number_places", (0, -1, 0, -1)),
    ("set_puts", ((1, 0, -1, None, -1, 0),)), ("set_puts", ((0, 0, -1, None, 0, 0),)),
    ("set_puts", ((0, 0, -1, (), -2, 0),)), ("set_puts", ((0, 0, -1, [], -2, 0), None)),
])  # fmt: skip
def test_lists_that_name_what_there_is_not_are_refused(name: str, wrong: Any) -> None:
    made = program()
    made.set_guards(guards())
    with pytest.raises(REFUSALS):
        getattr(made, name)(wrong)


def variants(arguments: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Too few, too many, and each replaced by everything wrong."""
    yield ()
    yield arguments[:-1]
    yield (*arguments, None)
    yield (*arguments, *[1.0] * 20)
    for i in range(len(arguments)):
        for wrong in wrong_things():
            yield (*arguments[:i], wrong, *arguments[i + 1 :])


@pytest.mark.parametrize("name", CALLS)
def test_wrong_arguments_raise_and_leave_modes_and_tensors_as_they_were(name: str) -> None:
    function, arguments = CALLS[name]()
    refused = 0
    for changed in variants(arguments):
        function, _ = CALLS[name]()  # what an earlier call has left behind takes no part
        with _core.recorded() if name.startswith("record") else contextlib.nullcontext():
            try:
                function(*changed)
            except REFUSALS as error:
                assert not isinstance(error, SystemError)
                refused += 1
    w.grad = None
    assert refused > 0 or name == "is_traced_scalar"
    assert pa.is_grad_enabled() and w.tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("name", ["data", "grad", "requires_grad", "_backward", "shape", "note", "__dict__"])
@pytest.mark.parametrize("make", [lambda: Value(1.0), lambda: Value(1.0) * 2, lambda: pa.ones(2, requires_grad=True),
                                  lambda: pa.ones(2, requires_grad=True) * 2, lambda: pa.tensor(1)],
                         ids=["Value", "Value's result", "Tensor", "Tensor's result", "integer"])  # fmt: skip
def test_attributes_set_to_anything_take_it_or_raise(name: str, make: Callable[[], Any]) -> None:
    for wrong in wrong_things():
        node = make()
        try:
            setattr(node, name, wrong)
        except (*REFUSALS, AttributeError) as error:
            assert not isinstance(error, SystemError)
        repr(node)
        node.__dict__.clear()
    try:
        delattr(make(), name)
    except (*REFUSALS, AttributeError) as error:
        assert not isinstance(error, SystemError)


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "**", "@", "&", "|", "^", "<", "=="])
def test_operators_beside_anything_compute_or_raise(operator: str) -> None:
    for node in (Value(2.0), pa.ones(2, 2), pa.tensor([1, 2]), pa.tensor(True)):
        for wrong in wrong_things():
            for left, right in ((node, wrong), (wrong, node)):
                try:
                    eval(f"left {operator} right", {"left": left, "right": right})
                except REFUSALS as error:
                    assert not isinstance(error, SystemError)


MODES = [
    pa.no_grad, pa.enable_grad, pa.inference_mode, pa.autograd.detect_anomaly, _core.paused, _core.recorded, _core.turn,
]  # fmt: skip


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__)
def test_modes_take_nothing_and_are_left_as_often_as_entered(mode: Any) -> None:
    before = pa.is_grad_enabled(), _core.is_recording(), _core.is_anomaly_enabled()
    for wrong in ({"made": 1}, {"mode": True}):
        with pytest.raises(TypeError):
            mode(**wrong)
    with pytest.raises(TypeError):
        mode(1, 2)
    with pytest.raises(RuntimeError, match="left that was not entered"):
        mode().__exit__(None, None, None)
    assert (pa.is_grad_enabled(), _core.is_recording(), _core.is_anomaly_enabled()) == before


@pytest.mark.parametrize("wrong", [(), (True, False)], ids=["nothing", "two"])
def test_set_grad_enabled_takes_one_bool(wrong: tuple[bool, ...]) -> None:
    with pytest.raises(TypeError):
        pa.set_grad_enabled(*wrong)
    assert pa.is_grad_enabled()


def test_a_subclass_of_a_mode_is_a_mode() -> None:
    class Evaluation(pa.no_grad):
        pass

    with Evaluation():
        assert not pa.is_grad_enabled()
    assert pa.is_grad_enabled()
    with pytest.raises(TypeError):
        pa.no_grad()(1, 2)
    with pytest.raises(TypeError):
        pa.no_grad()(None)
