"""Frozen, self-checking spec types; canonical JSON and the ids and seeds derived from it.

A spec says WHAT is computed and fixes the result; execution settings (workers, devices, folders) say HOW and are
not here. The one exception is `DataSpec.root`, where this machine keeps the files: it is marked `HOW` and is left
out of every id, so that moving the data does not rename the study.

Depth, by example (it counts linear operations):
    depth 3:  linear, norm, act | linear, norm, act | linear          two hidden layers, one skip connection
    depth 5:  four hidden layers, two skip connections; depth 2m+1: m skip connections
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import pydantic
import yaml
from pydantic import Field, field_validator, model_validator
from pydantic.config import JsonDict

HOW: JsonDict = {"how": True}
"""`json_schema_extra` of a field that says where or how, and so takes no part in ids."""

MOST_SHOWN = 200
"""characters of a wrong value in a message"""

PositiveInt = Annotated[int, Field(gt=0, lt=2**63)]
NonNegativeInt = Annotated[int, Field(ge=0, lt=2**63)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SpecError(ValueError):
    """A spec that cannot be used; the message says where, what was expected and what was found."""


class SpecModel(pydantic.BaseModel):
    """Base of all spec types: frozen, unknown fields refused."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, where: str = "spec") -> Self:
        """Checks a plain mapping and makes the spec of it. Raises SpecError with one line per wrong field."""
        try:
            return cls.model_validate(fields)
        except pydantic.ValidationError as error:
            lines = [_explain(cls, problem) for problem in error.errors()]
            raise SpecError("\n".join(f"{where}: {line}" for line in lines)) from None

    def fixing_fields(self) -> dict[str, Any]:
        """See `identity`; a kind of spec in which different fields can say the same says it in one way here."""
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
    place = ".".join(str(part) for part in problem["loc"]) or "(whole spec)"
    if problem["type"] == "extra_forbidden":
        return f"unknown field '{place}'; known here: {', '.join(_fields_at(model, problem['loc'][:-1]))}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"'{place}': {message}, but got {_shown(problem['input'])}"


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


class DataSpec(SpecModel):
    """Which dataset, and how many points of it (section D). Counts left out are the paper's."""

    name: Literal["waveform-noise", "mnist", "cifar10"] = "waveform-noise"
    train: PositiveInt | None = None
    validation: PositiveInt | None = None
    test: PositiveInt | None = None
    root: str | None = Field(default=None, json_schema_extra=HOW)


class SamplingSpec(SpecModel):
    """How many architectures are drawn by the scheme of section C, and their size."""

    count: PositiveInt = 250
    parameters: Annotated[int, Field(ge=100)] = 1_000_000
    """trainable weights and biases; the width comes nearest to it"""
    depth_min: Annotated[int, Field(ge=3)] = 3
    depth_max: Annotated[int, Field(ge=3)] = 49
    initializations: PositiveInt = 1
    """initial weights that each architecture is trained from: more than one tell how much of the error is chance"""

    @model_validator(mode="after")
    def _depths_are_odd_and_ordered(self) -> Self:
        if self.depth_min % 2 == 0 or self.depth_max % 2 == 0 or self.depth_min > self.depth_max:
            raise ValueError(
                "depth_min <= depth_max must hold and both must be odd (skip connections bypass two linear "
                f"operations), but got depth_min={self.depth_min}, depth_max={self.depth_max}"
            )
        return self


class TrainingSpec(SpecModel):
    """One run: the schedule of section E.2 and which runs are trained together."""

    optimizer: Literal["sgd", "adam"] = "sgd"
    criterion: Literal["validation-error", "training-error"] = "validation-error"
    """the classification error that patience, rewinding and the selection of the best run look at"""
    batch_size: PositiveInt = 250
    first_patience: PositiveInt = 10
    """epochs without a new lowest error before the first division of the rate"""
    patience: PositiveInt = 5
    """the same, from the first division on"""
    divisions: NonNegativeInt = 10
    divisor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 3.0
    population: PositiveInt = 8
    """runs trained together as one batched program; part of the spec, since kernels round by batch size"""


class SearchSpec(SpecModel):
    """The learning-rate search of one architecture and the rule that chooses its trained network."""

    method: Literal["grid", "refine"] = "grid"
    """grid: all rates. refine: `coarse` evenly spaced rates, then `waves` x `wave` around the best so far"""
    rates: Annotated[int, Field(ge=2)] = 40
    factor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 3.0
    smallest_update: PositiveFloat = 1e-8
    """size of the smallest rate's updates relative to the weights (E.2: 1e-8; training-error variant: 1e-16)"""
    selection: Literal["lowest-error-then-lowest-rate"] = "lowest-error-then-lowest-rate"
    """the rule, frozen before any data: the run with the lowest error of the training criterion; ties go to the lower
    starting rate; diverged runs only if there are no others"""
    edge: NonNegativeInt = 5
    """a chosen run among the first or last so many rates of the series is flagged (E.2 expects none)"""
    coarse: PositiveInt = 8
    wave: PositiveInt = 4
    waves: NonNegativeInt = 2
    rungs: tuple[PositiveInt, ...] = ()
    """successive halving: at the end of these epochs each population keeps the better half (rounded up) of the runs
    that it still trains, by lowest error so far; the others are pruned"""

    @field_validator("rungs")
    @classmethod
    def _rungs_rise(cls, rungs: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(rungs)):
            raise ValueError("epochs must rise, such as [5, 20, 40]")
        return rungs

    @model_validator(mode="after")
    def _waves_fit_in_the_grid(self) -> Self:
        if self.method == "refine" and self.coarse + self.wave * self.waves > self.rates:
            raise ValueError(
                f"coarse + wave * waves <= rates must hold, but got {self.coarse} + {self.wave} * {self.waves} "
                f"> {self.rates}"
            )
        return self


class MetricsSpec(SpecModel):
    """How much is spent on each measurement (sections E.1, E.3, G)."""

    nlc_batches: PositiveInt = 100
    walk_batches: NonNegativeInt = 10
    """batches for what takes many passes each: the linearly approximable region, the error-preserving perturbation,
    the local Lipschitz estimate; 0: not measured"""
    walk_inputs: PositiveInt = 10
    """random input directions a batch"""
    walk_outputs: PositiveInt = 10
    """random output directions a batch and input direction (linearly approximable region only)"""


class StudySpec(SpecModel):
    """What the engine, the store and the command line need to know of any study; each kind adds its own fields."""

    kind: str
    name: str = Field(default="study", json_schema_extra=HOW)
    summary: str = Field(default="", json_schema_extra=HOW)
    """one line for people"""
    seed: NonNegativeInt = 0

    @field_validator("name")
    @classmethod
    def _name_can_be_a_folder_s(cls, name: str) -> str:
        if not name.isprintable() or re.search(r"^[.]|[/\\]|^$", name) or len(name) > 100:
            raise ValueError("expected at most 100 printable characters without / or \\, the first of them no dot")
        return name


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
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def identity(model: SpecModel) -> dict[str, Any]:
    """The fields that fix the result and differ from their defaults, as plain data."""
    return model.fixing_fields()


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
    text: str = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False)
    return text


class _PlainLoader(yaml.SafeLoader):
    """Plain data only, and each thing written out: a few lines of aliases of aliases can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read", self.peek_event().start_mark)
        return super().compose_node(parent, index)


def _plain_yaml(text: str) -> Any:
    """Raises SpecError with the reason alone."""
    try:
        return yaml.load(text, _PlainLoader)
    except RecursionError:
        raise SpecError("nested too deeply") from None
    except Exception as error:  # besides YAMLError, a wrong date or number makes it raise what it likes
        raise SpecError(" ".join(str(error).split())) from None


def read_yaml(text: str, *, where: str) -> dict[str, Any]:
    """Plain data of a YAML mapping. Raises SpecError."""
    try:
        fields = _plain_yaml(text)
    except SpecError as error:
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
        value = _plain_yaml(text)
    except SpecError as error:
        raise SpecError(f"--set {assignment}: the value is not readable as YAML: {error}") from None
    for name in reversed(path.strip().split(".")):
        value = {name: value}
    return merge(fields, value)
