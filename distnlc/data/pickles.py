"""Reading pickles without running any of them: for the official CIFAR10 batches, which are pickles.

In: the bytes of a pickle of plain data and arrays. Out: the data. Python's own unpickler calls whatever a pickle names;
here nothing is called, at any protocol: an array comes out as a `Described`, with the pieces it would be made of.
Everything that such a batch does not need (other names, other instructions, keys that are no text) is refused.
"""

import pickle
import pickletools
from dataclasses import dataclass
from typing import Any

ARRAY_NAMES = {
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
VALUES = {
    "INT",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINBYTES",
    "SHORT_BINBYTES",
}
PYTHON_2_STRINGS = {"BINSTRING", "SHORT_BINSTRING"}
EMPTY: dict[str, type] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(eq=False)
class Described:
    """An object that Python would make by calling `name` with `arguments` and giving it `state`."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


def plain_data(content: bytes) -> Any:  # noqa: PLR0912, PLR0915 (a case for each instruction)
    """The data, Python 2's strings as bytes. Raises UnpicklingError, or any other error, for anything else."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(content):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case name if name in CONSTANTS:
                stack.append(CONSTANTS[name])
            case name if name in VALUES:
                stack.append(argument)
            case name if name in PYTHON_2_STRINGS:
                stack.append(str(argument).encode("latin-1"))
            case name if name in EMPTY:
                stack.append(EMPTY[name]())
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(_popped(stack, marks.pop())))
            case name if name in TUPLES:
                stack.append(tuple(_popped(stack, len(stack) - TUPLES[name])))
            case "APPEND" | "APPENDS" as name:
                items = _popped(stack, len(stack) - 1 if name == "APPEND" else marks.pop())
                _top(stack, list).extend(items)
            case "SETITEM" | "SETITEMS" as name:
                items = _popped(stack, len(stack) - 2 if name == "SETITEM" else marks.pop())
                keys, values = items[::2], items[1::2]
                if not all(isinstance(key, bytes | str) for key in keys):
                    raise pickle.UnpicklingError("it has a key that is no text, which is refused")
                _top(stack, dict).update(zip(keys, values, strict=True))
            case "GLOBAL":
                stack.append(_named(str(argument)))
            case "STACK_GLOBAL":
                name = _pop(stack, str)
                stack.append(_named(f"{_pop(stack, str)} {name}"))
            case "REDUCE":
                arguments = _pop(stack, tuple)
                stack.append(Described(_pop(stack, Described).name, arguments))
            case "BUILD":
                state = stack.pop()
                _top(stack, Described).state = state
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case name:
                raise pickle.UnpicklingError(f"it has the instruction {name}, which is refused")
    raise pickle.UnpicklingError("it has no end")


def _popped(stack: list[Any], start: int) -> list[Any]:
    """Takes everything from that place on off the stack."""
    if start < 0:
        raise pickle.UnpicklingError("it takes more than it has")
    items = stack[start:]
    del stack[start:]
    return items


def _top(stack: list[Any], kind: type) -> Any:
    if not isinstance(stack[-1], kind):
        raise pickle.UnpicklingError(f"it takes a {type(stack[-1]).__name__} for a {kind.__name__}")
    return stack[-1]


def _pop(stack: list[Any], kind: type) -> Any:
    top = _top(stack, kind)
    del stack[-1]
    return top


def _named(name: str) -> Described:
    if name not in ARRAY_NAMES:
        raise pickle.UnpicklingError(f"it asks for {name[:80].replace(' ', '.')}, which is refused")
    return Described(name)
