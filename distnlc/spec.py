"""The language of specs: frozen, self-checking types, parts, canonical JSON, and the ids and seeds derived from it.

A spec says WHAT is computed and fixes the result; execution settings (workers, devices, folders) say HOW and are not
here. A field that says where or how all the same, such as the folder that holds the data, is marked `HOW` and left out
of every id, so that moving the data does not rename the study. No study's own fields stand here.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self

import pydantic
from pydantic import Field, field_validator, model_validator
from pydantic.config import JsonDict

from distnlc import plain_yaml

HOW: JsonDict = {"how": True}
"""`json_schema_extra` of a field that says where or how, and so takes no part in ids."""

MOST_SHOWN = 200
"""characters of a wrong value in a message"""

LISTS = {"tuple_type", "list_type"}
"""pydantic's errors for what is no list"""

PositiveInt = Annotated[int, Field(gt=0, lt=2**63)]
NonNegativeInt = Annotated[int, Field(ge=0, lt=2**63)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SpecError(ValueError):
    """A spec that cannot be used; the message says where, what was expected and what was found."""


class SpecModel(pydantic.BaseModel):
    """Base of all spec types: frozen, unknown fields refused; text may look like a number (`name: 2024`)."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", validate_default=True, coerce_numbers_to_str=True)

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, where: str = "spec") -> Self:
        """Checks a plain mapping and makes the spec of it. Raises SpecError with one line per wrong field."""
        try:
            return cls.model_validate(fields)
        except pydantic.ValidationError as error:
            lines = [_explain(cls, problem) for problem in error.errors()]
            raise SpecError("\n".join(f"{where}: {line}" for line in lines)) from None

    def identity_fields(self) -> dict[str, Any]:
        """The fields that fix the result and differ from their defaults, as plain data."""
        kept: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            value = getattr(self, name)
            how = isinstance(extra, dict) and extra.get("how")
            if not how and value != field.get_default(call_default_factory=True) and (plain := _plain(value)) != {}:
                kept[name] = plain
        return kept


def _explain(model: type[SpecModel], problem: Any) -> str:
    """One line for one pydantic error; an unknown field is answered with the fields there are."""
    if not problem["loc"] and problem["type"] == "value_error":  # of fields together: the message names them
        return str(problem["msg"]).removeprefix("Value error, ")
    place = ".".join(str(part) for part in problem["loc"]) or "(whole spec)"
    if problem["type"] == "extra_forbidden":
        return f"unknown field '{place}'; known here: {', '.join(_fields_at(model, problem['loc'][:-1]))}"
    message, found = problem["msg"].removeprefix("Value error, "), problem["input"]
    if problem["type"] in LISTS and isinstance(found, str | int | float):
        message = f"expected a list, such as [{', '.join(str(found).replace(',', ' ').split())[:MOST_SHOWN]}]"
    return f"'{place}': {message}, but got {_shown(found)}"


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _fields_at(model: type[SpecModel], location: tuple[Any, ...]) -> list[str]:
    current: Any = model
    for part in location:
        field = getattr(current, "model_fields", {}).get(part)
        current = field.annotation if field is not None else None
    return sorted(getattr(current, "model_fields", {}))


class StudySpec(SpecModel):
    """What the engine, the store and the command line know of any study; each kind adds its own fields.

    A study is one part, or several that differ in some fields: `parts` maps a part's name to its differences from
    the study's own fields. The kinds `nlc` and `rehearsal` give `kind` a default and so keep it out of their ids; a
    new kind declares `kind: Literal["its-name"]` without one.
    """

    kind: str
    version: str = "1"
    """of the kind: another one gives other results"""
    name: str = Field(default="study", json_schema_extra=HOW)
    summary: str = Field(default="", json_schema_extra=HOW)
    """one line for people"""
    seed: NonNegativeInt = 0
    parts: dict[str, dict[str, Any]] = {}

    @field_validator("name")
    @classmethod
    def _name_can_be_a_folder_s(cls, name: str) -> str:
        if not name.isprintable() or re.search(r"^[.]|[/\\]|^$", name) or len(name) > 100:
            raise ValueError("expected at most 100 printable characters without / or \\, the first of them no dot")
        return name

    @model_validator(mode="after")
    def _parts_are_specs(self) -> Self:
        own = type(self).model_fields.keys() - StudySpec.model_fields.keys()
        for name, fields in self.parts.items():
            if unknown := fields.keys() - own:
                raise ValueError(f"part {name!r} sets {sorted(unknown)}, which a part cannot")
        try:
            studies = {name: canonical_json(part.unit_identity()) for name, part in self._parts.items()}
        except SpecError as error:
            raise ValueError(str(error)) from None
        if len(set(studies.values())) < len(studies):
            same = [name for name in studies if list(studies.values()).count(studies[name]) > 1]
            raise ValueError(f"the parts {same} would do the same work in the same way; keep one of them")
        return self

    @cached_property
    def _parts(self) -> dict[str, Self]:
        base = self.model_dump(exclude={"parts"})
        return {
            name: type(self).parse(merge(base, fields), where=f"part {name}") for name, fields in self.parts.items()
        }

    def part(self, name: str) -> Self:
        """The spec of one part, without parts. Raises SpecError if there is no such part."""
        if not self.parts:
            return self
        if name not in self._parts:
            raise SpecError(f"no part {name!r}; parts: {', '.join(self._parts)}")
        return self._parts[name]

    def part_names(self) -> list[str]:
        """The names of the parts; the study's own where it has none."""
        return list(self.parts) or [self.name]

    def identity_fields(self) -> dict[str, Any]:
        """Parts count as what they come to, not as they are written."""
        if not self.parts:
            return super().identity_fields()
        return {"parts": {name: identity(part) for name, part in self._parts.items()}}

    def unit_identity(self) -> dict[str, Any]:
        """The fields of a part that enter unit ids. A kind leaves out here what only says how many units there are."""
        return identity(self)

    def unit_id(self, part: str, index: int) -> str:
        """The id of a part's unit, for all kinds younger than `nlc` and `rehearsal`: `u` and 16 digits."""
        return "u" + short_id({"part": part, "spec": self.part(part).unit_identity(), "index": index})


@dataclass(frozen=True)
class Unit:
    """The piece of work that is scheduled, retried and committed."""

    unit_id: str
    part: str
    """the part of the study that it belongs to"""
    index: int
    """position among the units of its part"""
    cost: float
    """estimated work in arbitrary but comparable numbers: the longest units start first"""
    label: str
    """what it is, in a few words for people"""


def canonical_json(value: Any) -> str:
    """The one spelling of plain data: sorted keys, no spaces, shortest floats that read back exactly."""
    return _CANONICAL.encode(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
"""one for all calls: json.dumps builds an encoder each time, which takes longer than writing a small value"""


def identity(model: SpecModel) -> dict[str, Any]:
    """The fields that fix the result and differ from their defaults, as plain data."""
    return model.identity_fields()


def _plain(value: Any) -> Any:
    if isinstance(value, SpecModel):
        return identity(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def short_id(value: Any) -> str:
    """16 hexadecimal digits of the hash of plain data's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def spec_id(spec: SpecModel) -> str:
    """The study's id: equal exactly for specs that give the same rows."""
    return short_id(identity(spec))


def derive_seed(*parts: int | float | str) -> int:
    """A seed in [0, 2^63) that depends on the parts and on nothing else (no worker, no order, no clock)."""
    digest = hashlib.sha256(canonical_json(list(parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def differences(old: SpecModel, new: SpecModel) -> list[str]:
    """One line `field: old -> new` for every field that fixes the result and differs."""
    before, after = _flat(identity(old)), _flat(identity(new))
    return [
        f"{key}: {_show(before, key)} -> {_show(after, key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _show(values: dict[str, Any], key: str) -> str:
    return repr(values[key]) if key in values else "(default)"


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        deeper = isinstance(item, Mapping) and item  # an empty mapping is a value, such as a part that changes nothing
        flat |= _flat(item, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": item}
    return flat


def to_yaml(spec: SpecModel) -> str:
    """The resolved spec, every field written out."""
    return plain_yaml.write(spec.model_dump(mode="json"))


def read_yaml(text: str, *, where: str) -> dict[str, Any]:
    """Plain data of a YAML mapping. Raises SpecError."""
    try:
        fields = plain_yaml.read(text)
    except plain_yaml.YamlError as error:
        raise SpecError(f"{where}: not readable as YAML: {error}") from None
    if not isinstance(fields, dict):
        raise SpecError(f"{where}: expected a mapping of fields, but got {type(fields).__name__}")
    return fields


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, mapping by mapping."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def assign(fields: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """Applies one `--set a.b=c`; the value is read as YAML. Raises SpecError if there is no `=`."""
    path, separator, text = assignment.partition("=")
    if not separator or not path.strip():
        raise SpecError(f"--set {assignment}: expected field=value, such as data.root=/data")
    try:
        value = plain_yaml.read_value(text)
    except plain_yaml.YamlError as error:
        raise SpecError(f"--set {assignment}: the value is not readable as YAML: {error}") from None
    for name in reversed(path.strip().split(".")):
        value = {name: value}
    return merge(fields, value)
