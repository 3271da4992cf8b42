"""Plain data from YAML and back, as YAML 1.2 reads it (its core schema): what looks like a number to people is one.

In: text. Out: mappings, lists, strings, numbers, true, false and null. `010` is ten, `0o17` fifteen and `1e-3` a
number; `1:30`, `2024-05-01`, `yes` and `off` are words. A number keeps its spelling, so that a field of text gets `010`
and not `10` (a SpecModel takes numbers for text). Refused are duplicate keys, of which one would be lost, and aliases,
a few lines of which can stand for gigabytes. Text is written so that YAML 1.1 reads the same.
"""

import re
from collections.abc import Hashable
from typing import Any, Self

import yaml

INT, FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
NUMBERS = (
    (INT, re.compile(r"[-+]?[0-9]+$|0o[0-7]+$|0x[0-9a-fA-F]+$"), "-+0123456789"),
    (
        FLOAT,
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"),
        "-+.0123456789",
    ),
)
"""tag, spelling, first characters; an int is looked for first"""
OTHERS = (
    ("tag:yaml.org,2002:null", re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), "tTfF"),
)
STRUCTURE = re.compile(r"[\[{\"'!&*|>]|[\w.-]+:\s|.*\n")
"""begins a value that is more than plain words: a bracket, a quote, a sign of YAML's, a key, a line of several"""


class YamlError(ValueError):
    """Text that is not read; the message is the reason alone."""


class _Int(int):
    """A whole number and its spelling."""

    spelling: str

    def __new__(cls, spelling: str) -> Self:
        base = {"0o": 8, "0x": 16}.get(spelling[:2], 10)
        number = super().__new__(cls, spelling[2:] if base != 10 else spelling, base)
        number.spelling = spelling
        return number

    def __str__(self) -> str:
        return self.spelling

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


class _Float(float):
    """A number and its spelling."""

    spelling: str

    def __new__(cls, spelling: str) -> Self:
        number = super().__new__(cls, re.sub(r"\.(?=[a-zA-Z]{3}$)", "", spelling))  # .inf, .nan
        number.spelling = spelling
        return number

    def __str__(self) -> str:
        return self.spelling

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read", self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):  # others are refused below
                if {key, str(key)} & seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {str(key)[:80]!r} stands there twice", key_node.start_mark
                    )
                seen |= {key, str(key)}
        return super().construct_mapping(node, deep)


def _text(loader: Any, node: Any) -> str:
    return str(loader.construct_scalar(node))


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 takes for something else."""


_Loader.yaml_implicit_resolvers = {}  # none of YAML 1.1's
for _tag, _pattern, _first in (*NUMBERS, *OTHERS):
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))
    _Dumper.add_implicit_resolver(_tag, _pattern, list(_first))
_Loader.add_constructor(INT, lambda loader, node: _Int(_text(loader, node)))
_Loader.add_constructor(FLOAT, lambda loader, node: _Float(_text(loader, node)))


def read(text: str) -> Any:
    """The data of a YAML text. Raises YamlError."""
    try:
        return yaml.load(text, _Loader)
    except RecursionError:
        raise YamlError("nested too deeply") from None
    except Exception as error:  # besides yaml.YAMLError, a tag with a wrong value makes it raise what it likes
        raise YamlError(" ".join(str(error).split())) from None


def read_value(text: str) -> Any:
    """The data of one value as people write it on a command line, where nothing is a comment: `a #b` is a word.

    Raises YamlError.
    """
    text = text.strip()
    if STRUCTURE.match(text):
        return read(text)
    return read(text) if any(pattern.match(text) for _, pattern, _ in (*NUMBERS, *OTHERS)) else text


def write(data: Any) -> str:
    """The YAML of plain data."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False)
    return text
