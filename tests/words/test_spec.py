"""Specs check themselves, say what is wrong, and have ids and seeds that never drift."""

import math
from typing import Any

import pydantic
import pytest

from distnlc.data.spec import DataSpec
from distnlc.search import SearchSpec
from distnlc.spec import (
    SpecError,
    SpecModel,
    assign,
    canonical_json,
    derive_seed,
    differences,
    identity,
    merge,
    read_yaml,
    short_id,
    spec_id,
    to_yaml,
)
from distnlc.studies import from_fields, resolve
from distnlc.studies.nlc.spec import SamplingSpec, Spec
from distnlc.studies.nlc.units import units
from distnlc.training.spec import TrainingSpec

HOW_FIELDS = {"name", "summary", "data.root"}
CHANGED = {
    "seed": 1,
    "dtype": "float32",
    "data.name": "mnist",
    "data.train": 500,
    "data.validation": 250,
    "data.test": 250,
    "sampling.count": 3,
    "sampling.parameters": 20_000,
    "sampling.depth_min": 5,
    "sampling.depth_max": 9,
    "sampling.initializations": 2,
    "train_if": "init_nlc between 1 and 5",
    "training.optimizer": "adam",
    "training.criterion": "training-error",
    "training.batch_size": 125,
    "training.first_patience": 3,
    "training.patience": 2,
    "training.divisions": 0,
    "training.divisor": 2.0,
    "training.population": 40,
    "search.method": "refine",
    "search.rates": 60,
    "search.factor": 2.0,
    "search.smallest_update": 1e-16,
    "search.edge": 0,
    "search.coarse": 3,
    "search.wave": 2,
    "search.waves": 0,
    "search.rungs": [5, 20],
    "metrics.nlc_batches": 10,
    "metrics.walk_batches": 0,
    "metrics.walk_inputs": 2,
    "metrics.walk_outputs": 3,
    "parts": {"a": {"data": {"name": "mnist"}}},
}
"""another value for every field that fixes the result (those with a single possible value left out)"""
SINGLE_VALUED = {"kind", "search.selection", "version"}


def changed(path: str, value: Any) -> Spec:
    for name in reversed(path.split(".")):
        value = {name: value}
    return Spec.parse(value)


def leaves(model: type[SpecModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, SpecModel)
        found |= leaves(field.annotation, f"{prefix}{name}.") if nested else {f"{prefix}{name}"}  # type: ignore[arg-type]
    return found


def message(fields: dict[str, Any]) -> str:
    with pytest.raises(SpecError) as caught:
        Spec.parse(fields, where="study.yaml")
    return str(caught.value)


# what is refused


def test_an_unknown_field_is_answered_with_those_there_are() -> None:
    assert message({"dataa": 1}) == (
        "study.yaml: unknown field 'dataa'; known here: data, dtype, kind, metrics, name, parts, sampling, search, "
        "seed, summary, train_if, training, version"
    )
    assert message({"data": {"nmae": "mnist"}}) == (
        "study.yaml: unknown field 'data.nmae'; known here: name, root, test, train, validation"
    )


def test_a_wrong_type_says_where_what_was_expected_and_what_was_found() -> None:
    assert message({"training": {"batch_size": "many"}}) == (
        "study.yaml: 'training.batch_size': Input should be a valid integer, unable to parse string as an integer, "
        "but got 'many'"
    )
    assert "'data': Input should be a valid dictionary" in message({"data": 5})
    assert "'data.name': Input should be 'waveform-noise', 'mnist' or 'cifar10', but got 'svhn'" in message(
        {"data": {"name": "svhn"}}
    )
    assert "valid integer" in message({"sampling": {"count": 2.5}})


def test_every_wrong_field_gets_its_own_line() -> None:
    lines = message({"seed": -1, "search": {"rates": 1, "speed": 3}}).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("study.yaml: ") for line in lines)


@pytest.mark.parametrize(
    "path",
    [
        "data.train",
        "sampling.count",
        "training.batch_size",
        "training.first_patience",
        "training.patience",
        "training.population",
        "search.smallest_update",
        "search.coarse",
        "search.wave",
        "metrics.nlc_batches",
        "metrics.walk_inputs",
        "metrics.walk_outputs",
    ],
)
def test_numbers_that_must_be_positive_are(path: str) -> None:
    for value in (0, -1):
        with pytest.raises(SpecError, match=rf"'{path}': Input should be greater than 0, but got {value}"):
            changed(path, value)


@pytest.mark.parametrize("path", ["seed", "training.divisions", "search.edge", "search.waves", "metrics.walk_batches"])
def test_numbers_that_may_be_zero_may_not_be_negative(path: str) -> None:
    changed(path, 0)
    with pytest.raises(SpecError, match=rf"'{path}': Input should be greater than or equal to 0, but got -1"):
        changed(path, -1)


@pytest.mark.parametrize("path", ["search.factor", "search.smallest_update", "training.divisor"])
@pytest.mark.parametrize("value", [math.inf, math.nan, -math.inf])
def test_numbers_that_are_not_finite_are_refused(path: str, value: float) -> None:
    with pytest.raises(SpecError, match=f"'{path}'"):
        changed(path, value)


@pytest.mark.parametrize("path", ["search.factor", "training.divisor"])
def test_a_series_must_change(path: str) -> None:
    with pytest.raises(SpecError, match=f"'{path}': Input should be greater than 1"):
        changed(path, 1.0)


@pytest.mark.parametrize("fields", [{"depth_min": 4}, {"depth_max": 10}, {"depth_min": 9, "depth_max": 7}])
def test_depths_must_be_odd_and_ordered(fields: dict[str, int]) -> None:
    with pytest.raises(SpecError, match=r"depth_min <= depth_max must hold and both must be odd .* but got depth_min="):
        SamplingSpec.parse(fields)


def test_the_waves_must_fit_in_the_grid() -> None:
    fields = {"method": "refine", "rates": 10, "coarse": 5, "wave": 3, "waves": 2}
    with pytest.raises(SpecError, match=r"coarse \+ wave \* waves <= rates must hold, but got 5 \+ 3 \* 2 > 10"):
        SearchSpec.parse(fields)
    SearchSpec.parse(fields | {"rates": 11})
    SearchSpec.parse(fields | {"method": "grid"})


def test_rungs_are_epochs_that_rise() -> None:
    assert changed("search.rungs", [5, 20]).search.rungs == (5, 20)
    for value in ([20, 5], [5, 5]):
        with pytest.raises(SpecError, match=r"'search\.rungs': epochs must rise, such as \[5, 20, 40\], but got \["):
            changed("search.rungs", value)
    with pytest.raises(SpecError, match=r"'search\.rungs\.0': Input should be greater than 0, but got 0"):
        changed("search.rungs", [0, 5])


def test_a_part_is_checked_like_a_study() -> None:
    assert "part mnist: unknown field 'data.nmae'" in message({"parts": {"mnist": {"data": {"nmae": "mnist"}}}})
    assert "part 'mnist' sets ['seed'], which a part cannot" in message({"parts": {"mnist": {"seed": 3}}})
    assert "'parts.mnist': Input should be a valid dictionary" in message({"parts": {"mnist": None}})


def test_specs_are_frozen() -> None:
    spec = Spec()
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        spec.seed = 3
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        spec.data.name = "mnist"


# --set and YAML


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("seed=3", {"seed": 3}),
        ("data.name=mnist", {"data": {"name": "mnist"}}),
        ("data.root=/a=b/c", {"data": {"root": "/a=b/c"}}),
        ("search.factor=2.5", {"search": {"factor": 2.5}}),
        (" seed = 3", {"seed": 3}),
        ("data.train=", {"data": {"train": None}}),
        ("parts={a: {data: {name: mnist}}}", {"parts": {"a": {"data": {"name": "mnist"}}}}),
    ],
)
def test_set_reads_its_value_as_yaml(assignment: str, expected: dict[str, Any]) -> None:
    assert assign({}, assignment) == expected


@pytest.mark.parametrize("text", ["1e-8", "1.0e-8", "1E-8", "0.00000001"])
def test_set_reads_small_numbers_in_every_spelling(text: str) -> None:
    """YAML 1.1 reads 1e-8 as a string; the field's type makes the number of it."""
    spec = Spec.parse(assign({}, f"search.smallest_update={text}"))
    assert spec.search.smallest_update == 1e-8
    assert spec_id(spec) == spec_id(Spec())


def test_set_changes_one_field_and_leaves_its_neighbours_and_the_callers_mapping() -> None:
    fields = {"data": {"name": "mnist", "train": 500}, "seed": 2}
    assert assign(fields, "data.train=1000") == {"data": {"name": "mnist", "train": 1000}, "seed": 2}
    assert fields == {"data": {"name": "mnist", "train": 500}, "seed": 2}


@pytest.mark.parametrize("assignment", ["seed", "data.name mnist", "=3", ""])
def test_set_without_a_field_and_a_value_is_refused(assignment: str) -> None:
    with pytest.raises(SpecError, match=rf"--set {assignment}: expected field=value, such as data.root=/data"):
        assign({}, assignment)


def test_set_with_a_value_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(SpecError, match=r"--set data=\{a: the value is not readable as YAML"):
        assign({}, "data={a")


def test_merging_goes_mapping_by_mapping() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "d": {"e": 4}}) == {
        "a": {"b": 9, "c": 2},
        "d": {"e": 4},
    }


def test_a_spec_survives_its_own_yaml() -> None:
    spec = Spec.parse({path: value for path, value in CHANGED.items() if "." not in path} | {"name": "mine"})
    again = from_fields(read_yaml(to_yaml(spec), where="text"), where="text")
    assert again == spec
    assert spec_id(again) == spec_id(spec)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- a\n- b", "expected a mapping of fields, but got list"),
        ("", "expected a mapping of fields, but got NoneType"),
        ("a: [1", "not readable as YAML"),
        ("a: !!python/object/apply:os.getcwd []", "not readable as YAML"),
    ],
)
def test_yaml_that_is_no_mapping_of_plain_data_is_refused(text: str, found: str) -> None:
    with pytest.raises(SpecError, match=f"here.yaml: {found}"):
        read_yaml(text, where="here.yaml")


# identity


def test_the_fields_of_this_test_are_all_the_fields() -> None:
    """A new field must be given another value above, so that it is known to be part of the id, or be named in HOW."""
    assert leaves(Spec) == CHANGED.keys() | HOW_FIELDS | SINGLE_VALUED


@pytest.mark.parametrize("path", CHANGED)
def test_every_field_that_fixes_the_result_changes_the_id(path: str) -> None:
    assert spec_id(changed(path, CHANGED[path])) != spec_id(Spec())


@pytest.mark.parametrize("path", sorted(HOW_FIELDS))
def test_what_things_are_called_and_where_they_are_does_not_change_the_id(path: str) -> None:
    spec = changed(path, "anything")
    assert identity(spec) == {}
    assert spec_id(spec) == spec_id(Spec())


def test_fields_at_their_defaults_are_left_out_however_they_are_spelled() -> None:
    assert identity(Spec()) == {}
    assert identity(Spec.parse({"kind": "nlc", "search": {"factor": 3, "rates": 40}})) == {}
    assert identity(Spec.parse({"seed": 5, "data": {"name": "mnist", "root": "/x"}})) == {
        "seed": 5,
        "data": {"name": "mnist"},
    }


def test_ids_and_seeds_never_drift() -> None:
    """A store is continued and every number reproduced by these: if this fails, old studies are orphans."""
    spec = Spec.parse({"seed": 5, "data": {"name": "mnist", "root": "/x"}, "search": {"smallest_update": 1e-16}})
    assert canonical_json(identity(spec)) == '{"data":{"name":"mnist"},"search":{"smallest_update":1e-16},"seed":5}'
    assert spec_id(spec) == "c3c9e007bf7d2db1"
    assert spec_id(Spec()) == short_id({}) == "44136fa355b3678a"
    assert units(spec)[3].unit_id == "267577b8969762f3"
    assert derive_seed("shuffle", 3, 0.5) == 5689194074996412632


def test_canonical_json_has_one_spelling_and_no_nan() -> None:
    assert canonical_json({"b": [1, 2.5, None, True], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5,null,true]}'
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(math.nan)


def test_seeds_depend_on_every_part_and_their_order() -> None:
    seeds = [
        derive_seed(*parts) for parts in ((1, 2), (2, 1), (12,), ("1", 2), (1,), (), ("1,2",), ("a", 1), ("a", "1"))
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= derive_seed("many", n) < 2**63 for n in range(1000))
    assert max(derive_seed("many", n) for n in range(1000)) > 2**62


# differences


def test_differences_name_the_fields_and_both_values() -> None:
    old = Spec.parse({"seed": 1, "data": {"name": "mnist"}})
    new = Spec.parse({"data": {"name": "cifar10"}, "search": {"rates": 60}})
    assert differences(old, new) == [
        "data.name: 'mnist' -> 'cifar10'",
        "search.rates: (default) -> 60",
        "seed: 1 -> (default)",
    ]


@pytest.mark.parametrize("path", CHANGED)
def test_specs_with_different_ids_show_a_difference(path: str) -> None:
    (line,) = differences(Spec(), changed(path, CHANGED[path]))
    assert line.startswith(path)


def test_specs_with_the_same_id_show_none() -> None:
    assert differences(Spec(), Spec.parse({"name": "mine", "data": {"root": "/x"}})) == []


def test_a_part_that_changes_nothing_is_still_a_difference() -> None:
    assert differences(Spec(), Spec.parse({"parts": {"all": {}}})) == ["parts.all: (default) -> {}"]


def test_parse_needs_no_study() -> None:
    assert DataSpec.parse({"name": "mnist", "train": 500}) == DataSpec(name="mnist", train=500)
    assert TrainingSpec.parse({}) == TrainingSpec()


def test_a_study_of_parts_is_named_by_what_its_parts_come_to() -> None:
    paper = resolve("paper")
    assert spec_id(resolve("paper", ["parts.mnist.data.root=/elsewhere"])) == spec_id(paper)
    assert spec_id(resolve("paper", ["parts.mnist.search.rates=40"])) == spec_id(paper)
    assert spec_id(resolve("paper", ["data.root=/elsewhere"])) == spec_id(paper)
    assert spec_id(resolve("paper", ["parts.mnist.search.rates=41"])) != spec_id(paper)
    assert spec_id(resolve("paper", ["seed=1"])) != spec_id(paper)


def test_parts_that_would_do_the_same_units_are_refused() -> None:
    with pytest.raises(SpecError, match=r"parts \['a', 'b'\] would do the same work"):
        resolve("quick", ["parts={a: {}, b: {sampling: {count: 30}}}"])
