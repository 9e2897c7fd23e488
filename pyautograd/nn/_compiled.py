"""A compiled module: the module itself in every respect but its call, which goes through `compile`.

`pa.compile(model)` is of a class made for it, CompiledNet(CompiledModule, Net):

    __dict__   the one of the module: parameters, buffers, submodules and `training` are the same for both
    __call__   the compiled step over the module
"""

from __future__ import annotations

from typing import Any

from pyautograd.nn._module import Module


class CompiledModule(Module):
    """A module whose calls are compiled. `programs`, `run`, `draw` and `clear` are those of a `CompiledStep`, where the
    module has no such names of its own.
    """

    __slots__ = ("_module", "_step")
    _module: Module
    _step: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._step(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """What is neither the module's nor its class's."""
        if name in ("programs", "run", "draw", "clear", "__wrapped__"):
            return getattr(self._step, name)
        return getattr(self._module, name)

    def __repr__(self) -> str:
        return f"compiled {self._module!r}"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return compile_module, (self._module, self._step._options(), type(self._step))


def compile_module(module: Module, options: dict[str, Any], step: type) -> Module:
    """The module with its calls compiled, by the class `step` of compiled functions, which takes the options."""
    if isinstance(module, CompiledModule):
        module = module._module
    kind: Any = type(module)
    derived: type[Module] = type(f"Compiled{kind.__name__}", (CompiledModule, kind), {"__module__": kind.__module__})
    made = object.__new__(derived)
    for name, value in (("_module", module), ("_step", step(module, **options)), ("__dict__", vars(module))):
        object.__setattr__(made, name, value)
    return made
