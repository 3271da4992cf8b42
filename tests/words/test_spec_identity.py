"""Specs have ids and seeds that never drift, and say in what two of them differ."""

import math

import pytest

from distnlc.spec import (
    SpecError,
    SpecModel,
    canonical_json,
    derive_seed,
    differences,
    identity,
    short_id,
    spec_id,
)
from distnlc.studies import resolve
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import units
from tests.helpers.spec_fields import CHANGED, HOW_FIELDS, SINGLE_VALUED, TOGETHER, base, changed


def leaves(model: type[SpecModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, SpecModel)
        found |= leaves(field.annotation, f"{prefix}{name}.") if nested else {f"{prefix}{name}"}  # type: ignore[arg-type]
    return found


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
