"""Specs check themselves, say what is wrong, and have ids and seeds that never drift."""

import math
from typing import Any

import pytest

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

HOW_FIELDS = {"name", "summary", "data.root", "data.file"}
CHANGED = {
    "seed": 1,
    "dtype": "float32",
    "data.name": "mnist",
    "data.train": 500,
    "data.validation": 250,
    "data.test": 250,
    "data.preparation": "sphere",
    "data.labels": "random",
    "data.crop": 24,
    "data.shape": [1, 8, 8],
    "data.separation": 2.0,
    "sampling.count": 3,
    "sampling.parameters": 20_000,
    "sampling.depth_min": 5,
    "sampling.depth_max": 9,
    "sampling.initializations": 2,
    "train_if": "init_nlc between 1 and 5",
    "training.optimizer": "adam",
    "training.momentum": 0.5,
    "training.weight_decay": 1e-4,
    "training.loss": "squared-error",
    "training.rewind": False,
    "training.epochs": 100,
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
    "metrics.extra": [{"name": "mine", "version": "1"}],
    "parts": {"a": {"data": {"name": "mnist"}}},
}
"""another value for every field that fixes the result (those with a single possible value left out)"""
DATASET = {"data.crop": "cifar10", "data.shape": "gaussian-images", "data.separation": "clusters", "data.file": "npz"}
"""the dataset of a field that not every one has a use for"""
SINGLE_VALUED = {"kind", "search.selection", "version", "data.source_version", "data.preparation_version"}
"""fields of one value, and those whose others need a plug-in (tests/data/test_sources.py)"""
TOGETHER = {"sampling.family": {"name": "mine", "version": "1"}, "sampling.size": {"width": 3}}
"""fields of which the second needs the first"""


def changed(path: str, value: Any) -> Spec:
    for name in reversed(path.split(".")):
        value = {name: value}
    return Spec.parse(merge(base(path), value))


def base(path: str) -> dict[str, Any]:
    """What another value of that field is laid on."""
    file = {"file": "any.npz"} if path == "data.file" else {}
    return {"data": {"name": DATASET[path], **file}} if path in DATASET else {}


def leaves(model: type[SpecModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, SpecModel)
        found |= leaves(field.annotation, f"{prefix}{name}.") if nested else {f"{prefix}{name}"}  # type: ignore[arg-type]
    return found


# what is refused


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"dataa": 1},
            "unknown field 'dataa'; known here: data, dtype, kind, metrics, name, parts, sampling, search, seed, "
            "summary, train_if, training, version",
        ),
        (
            {"data": {"nmae": "mnist"}},
            "unknown field 'data.nmae'; known here: crop, file, labels, name, preparation, preparation_version, "
            "root, separation, shape, source_version, test, train, validation",
        ),
        (
            {"training": {"batch_size": "many"}},
            "'training.batch_size': Input should be a valid integer, unable to parse string as an integer, "
            "but got 'many'",
        ),
        (
            {"data": {"name": "svhn"}},
            "'data.name': expected a dataset: waveform-noise, waveform-uci, mnist, fashion-mnist, cifar10, cifar100, "
            "libsvm/NAME, gaussian-images, clusters, npz (the module of another is named by --plugin or "
            "DISTNLC_PLUGINS), but got 'svhn'",
        ),
        ({"parts": {"mnist": {"data": {"nmae": "mnist"}}}}, "part mnist: unknown field 'data.nmae'"),
        ({"parts": {"mnist": {"seed": 3}}}, "part 'mnist' sets ['seed'], which a part cannot"),
        ({"metrics": {"extra": [{"name": "a", "version": "1"}] * 2}}, "expected each metric once, found a, a"),
        (
            {"metrics": {"extra": ["mine"]}},
            "'metrics.extra.0': there is no metric 'mine' here; there are: none (the mod",
        ),
        (
            {"sampling": {"family": "mine"}},
            "'sampling.family': there is no family 'mine' here; there are: none (the mod",
        ),
        ({"sampling": {"size": {"width": 3}}}, "size is what a family takes, and no family is named"),
        (
            {"sampling": {"family": TOGETHER["sampling.family"], "initializations": 2}},
            "initializations must be 1 with a family, whose seed fixes the initial weights together with the arch",
        ),
        ({"search": {"rungs": [5, 5]}}, "'search.rungs': epochs must rise, such as [5, 20, 40], but got [5, 5]"),
        (
            {"search": {"method": "refine", "rates": 10, "coarse": 5, "wave": 3, "waves": 2}},
            "coarse + wave * waves <= rates must hold, but got 5 + 3 * 2 > 10",
        ),
    ],
)
def test_a_mistake_says_where_what_was_expected_and_what_was_found(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        Spec.parse(fields, where="study.yaml")
    assert str(caught.value).startswith("study.yaml: ")
    assert said in str(caught.value)


def test_every_wrong_field_gets_its_own_line() -> None:
    with pytest.raises(SpecError) as caught:
        Spec.parse({"seed": -1, "search": {"rates": 1, "speed": 3}}, where="study.yaml")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["study.yaml"] * 3


ABOVE_0 = "data.train sampling.count training.batch_size training.first_patience training.patience training.population"
ABOVE_0 += " search.smallest_update search.coarse search.wave metrics.nlc_batches metrics.walk_inputs"
FROM_0 = "seed training.divisions search.edge search.waves metrics.walk_batches"
ABOVE_1 = "search.factor training.divisor"


@pytest.mark.parametrize(
    ("paths", "refused"), [(ABOVE_0, (0, -1)), (FROM_0, (-1,)), (ABOVE_1, (1.0, math.inf, math.nan))]
)
def test_numbers_have_bounds_and_are_finite(paths: str, refused: tuple[float, ...]) -> None:
    for path in paths.split():
        changed(path, CHANGED[path])
        for value in refused:
            with pytest.raises(SpecError, match=rf"'{path}': Input should be .*but got {value}"):
                changed(path, value)


@pytest.mark.parametrize("fields", [{"depth_min": 4}, {"depth_max": 10}, {"depth_min": 9, "depth_max": 7}])
def test_depths_must_be_odd_and_ordered(fields: dict[str, int]) -> None:
    with pytest.raises(SpecError, match=r"depth_min <= depth_max must hold and both must be odd .* but got depth_min="):
        SamplingSpec.parse(fields)


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


def test_set_reads_small_numbers_in_every_spelling() -> None:
    """YAML 1.1 reads 1e-8 as a string; the field's type makes the number of it."""
    for text in ("1e-8", "1.0e-8", "1E-8", "0.00000001"):
        assert Spec.parse(assign({}, f"search.smallest_update={text}")) == Spec()


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
    assert leaves(Spec) == CHANGED.keys() | HOW_FIELDS | SINGLE_VALUED | TOGETHER.keys()


@pytest.mark.parametrize("path", CHANGED)
def test_every_field_that_fixes_the_result_changes_the_id_and_shows_as_a_difference(path: str) -> None:
    plain, other = Spec.parse(base(path)), changed(path, CHANGED[path])
    assert spec_id(other) != spec_id(plain)
    (line,) = differences(plain, other)
    assert line.startswith(path)


def test_a_family_its_version_and_its_size_change_the_id() -> None:
    family = TOGETHER["sampling.family"]
    specs = [
        Spec(),
        changed("sampling", {"family": family}),
        changed("sampling", {"family": family | {"version": "2"}}),
        changed("sampling", {"family": family, "size": TOGETHER["sampling.size"]}),
    ]
    assert len({spec_id(spec) for spec in specs}) == len(specs)
    assert differences(specs[1], specs[2]) == ["sampling.family.version: '1' -> '2'"]


def test_the_order_in_which_metrics_are_named_is_no_difference() -> None:
    named = [{"name": name, "version": "1"} for name in ("b", "a")]
    assert spec_id(changed("metrics.extra", named)) == spec_id(changed("metrics.extra", named[::-1]))


def test_what_things_are_called_and_where_they_are_does_not_change_the_id() -> None:
    for path in HOW_FIELDS:
        plain, other = Spec.parse(base(path)), changed(path, "elsewhere/any.npz" if path == "data.file" else "anything")
        assert (spec_id(other), differences(plain, other)) == (spec_id(plain), [])


def test_fields_at_their_defaults_are_left_out_however_they_are_spelled() -> None:
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
    parts = [(1, 2), (2, 1), (12,), ("1", 2), (1,), (), ("1,2",), ("a", 1), ("a", "1")]
    assert len({derive_seed(*each) for each in parts}) == len(parts)
    many = [derive_seed("many", number) for number in range(1000)]
    assert 0 <= min(many) < 2**62 < max(many) < 2**63


# differences


def test_differences_name_the_fields_and_both_values() -> None:
    old = Spec.parse({"seed": 1, "data": {"name": "mnist"}})
    new = Spec.parse({"data": {"name": "cifar10"}, "search": {"rates": 60}})
    assert differences(old, new) == [
        "data.name: 'mnist' -> 'cifar10'",
        "search.rates: (default) -> 60",
        "seed: 1 -> (default)",
    ]


def test_a_part_that_changes_nothing_is_still_a_difference() -> None:
    assert differences(Spec(), Spec.parse({"parts": {"all": {}}})) == ["parts.all: (default) -> {}"]


def test_a_study_of_parts_is_named_by_what_its_parts_come_to() -> None:
    same = "parts.mnist.data.root=/elsewhere", "parts.mnist.search.rates=40", "data.root=/elsewhere"
    assert {spec_id(resolve("paper", [each])) for each in same} == {spec_id(resolve("paper"))}
    for other in ("parts.mnist.search.rates=41", "seed=1"):
        assert spec_id(resolve("paper", [other])) != spec_id(resolve("paper"))


def test_parts_that_would_do_the_same_units_are_refused() -> None:
    with pytest.raises(SpecError, match=r"parts \['a', 'b'\] would do the same work"):
        resolve("quick", ["parts={a: {}, b: {sampling: {count: 30}}}"])
