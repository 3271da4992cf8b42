"""Parts, ids and seeds of a study of the scaling calculus, and every mistake in its spec answered in one clear line."""

from collections import Counter
from typing import Any

import pytest

from distnlc.spec import SpecError
from distnlc.studies import resolve
from distnlc.studies.scaling.operation_names import OPERATIONS
from distnlc.studies.scaling.operations import ROWS
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.units import known, rows, seed_of, tasks, units


def spec_of(source: str, *assignments: str) -> Spec:
    spec = resolve(source, assignments)
    assert isinstance(spec, Spec)
    return spec


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inits": ["xavier"]}, r"'inits.0': Input should be 'geometric', 'fan-in', 'fan-out' or 'arithmetic'"),
        ({"inits": ["fan-in", "fan-in"]}, r"'inits': fan-in is there twice"),
        ({"inits": []}, r"'inits': expected at least one value"),
        ({"numerator": 0}, r"'numerator': Input should be greater than 0, but got 0"),
        ({"experiment": "resnext"}, r"'experiment': Input should be 'operations', .* or 'resnet', but got 'resnext'"),
        ({"parts": {"a": {"sets": ["iris"]}}}, r"part 'a' sets \['sets'\], which a part cannot"),
        ({"libsvm": {"sets": ["iris", "wine", "iris"]}}, r"'libsvm.sets': iris is there twice"),
        ({"libsvm": {"sets": []}}, r"'libsvm.sets': expected at least one value"),
        ({"libsvm": {"rates": [3, 2]}}, r"'libsvm.rates': expected the lowest exponent of 2 first, but got"),
        ({"libsvm": {"rates": [-41, 2]}}, r"'libsvm.rates.0': Input should be greater than or equal to -40"),
        ({"alexnet": {"rates": [0, 41]}}, r"'alexnet.rates.1': Input should be less than or equal to 40"),
        ({"libsvm": {"epochs": 0}}, r"'libsvm.epochs': Input should be greater than 0"),
        ({"libsvm": {"seeds": 0}}, r"'libsvm.seeds': Input should be greater than 0"),
        ({"libsvm": {"batch_size": 0}}, r"'libsvm.batch_size': Input should be greater than 0"),
        ({"libsvm": {"hidden": []}}, r"'libsvm.hidden': Tuple should have at least 1 item"),
        ({"libsvm": {"hidden": [4, 0]}}, r"'libsvm.hidden.1': Input should be greater than 0"),
        ({"libsvm": {"output_std": 0}}, r"'libsvm.output_std': Input should be greater than 0"),
        ({"libsvm": {"weight_decay": -1}}, r"'libsvm.weight_decay': Input should be greater than or equal to 0"),
        ({"libsvm": {"momentum": 1}}, r"'libsvm.momentum': Input should be less than 1"),
        ({"alexnet": {"divisor": 65}}, r"'alexnet.divisor': Input should be less than or equal to 64"),
        ({"alexnet": {"drops": [9, 3]}}, r"'alexnet.drops': expected rising epochs"),
        ({"alexnet": {"points": 50_001}}, r"'alexnet.points': Input should be less than or equal to 50000"),
        ({"ratio": {"samples": 0}}, r"'ratio.samples': Input should be greater than 0"),
        ({"ratio": {"image": 12}}, r"'ratio.image': Input should be greater than or equal to 13"),
        ({"residual": {"size": 3, "variants": ["equal"]}}, r"'residual.size': Input should be greater than or equal"),
        ({"residual": {"size": 10}}, r"residual.size = 10: widen-pool halves images twice, so expected 4, 8, 12"),
        ({"residual": {"variants": ["deep"]}}, r"'equal', 'widen-pool' or 'widen-subsample', but got 'deep'"),
        ({"data": {"name": "mnist"}}, r"unknown field 'data.name'; known here: root"),
        (
            {"parts": {"a": {"experiment": "ratio"}, "b": {"experiment": "ratio", "operations": {"draws": 3}}}},
            r"the parts \['a', 'b'\] would do the same work",
        ),
    ],
)
def test_a_mistake_is_answered_with_the_field_and_what_was_expected(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        Spec.parse({"kind": "scaling"} | fields)
    assert "\n" not in str(error.value)


def test_the_small_preset_has_the_units_of_the_spec() -> None:
    small = spec_of("scaling-small")
    counts = Counter(unit.part for unit in units(small))
    assert counts == {
        "operations": 35,
        "ratio": 100,
        "blocks": 80,
        "libsvm": 400,
        "alexnet": 20,
        "residual": 1440,
    }
    assert counts.total() == 2075
    expected = rows(small)
    assert (expected["units"], expected["runs"]) == (2075, 400 * 12 + 20 * 7)
    assert expected["epochs"] == 400 * 12 * 5 + 20 * 7 * 8


def test_the_paper_s_size_is_that_of_the_defaults_and_has_all_seven_experiments() -> None:
    paper = spec_of("scaling")
    assert {name: paper.part(name).experiment for name in paper.part_names()} == {
        name: name for name in ("operations", "ratio", "blocks", "libsvm", "alexnet", "residual", "resnet")
    }
    assert len(paper.libsvm.sets) == 26
    assert (paper.alexnet.seeds, paper.alexnet.epochs, paper.alexnet.rates) == (40, 50, (-12, 1))


def test_the_quick_preset_needs_no_files() -> None:
    quick = spec_of("scaling-quick")
    assert {quick.part(name).experiment for name in quick.part_names()} == {"operations", "ratio", "blocks", "residual"}


def test_every_operation_has_a_row_of_table_1() -> None:
    assert tuple(ROWS) == OPERATIONS
    assert len(OPERATIONS) == 35


def test_initializations_weightings_and_scalings_of_a_set_up_share_its_seed() -> None:
    small = spec_of("scaling-small", "parts.residual.residual.setups=2", "parts.libsvm.libsvm.seeds=2")
    for name, seeds in (("blocks", 20), ("libsvm", 10 * 2), ("alexnet", 5), ("residual", 3 * 2)):
        part = small.part(name)
        assert len({seed_of(part, name, task) for task in tasks(part)}) == seeds


def test_more_of_the_same_renames_no_unit_and_other_settings_do() -> None:
    few = {unit.unit_id for unit in units(spec_of("scaling-quick"))}
    more = {
        unit.unit_id
        for unit in units(
            spec_of("scaling-quick", "parts.ratio.ratio.setups=30", "inits=[fan-in, geometric, fan-out, arithmetic]")
        )
    }
    assert few < more
    others = {unit.unit_id for unit in units(spec_of("scaling-quick", "parts.ratio.ratio.samples=129"))}
    assert len(few & others) == len(few) - 20
    root = {unit.unit_id for unit in units(spec_of("scaling-quick", "data.root=/data"))}
    assert root == few


def test_a_failed_unit_s_row_says_what_it_was_about() -> None:
    small = spec_of("scaling-small")
    unit = next(each for each in units(small) if each.part == "libsvm" and "wine" in each.label)
    record = {"libsvm": {"files": {}, "sets": {"wine": {"train": 178, "d_in": 13, "classes": 3}}}}
    found = known(small, unit, record)
    assert (found["dataset"], found["seed"], found["init"]) == ("wine", 0, "geometric")
    assert (found["points"], found["d_in"], found["classes"]) == (178, 13, 3)
    assert known(small, unit, {})["points"] is None
