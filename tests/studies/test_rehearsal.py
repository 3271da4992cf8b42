"""A rehearsal's numbers depend on its seed alone; its faults happen; and what is shown of any study needs no memory."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from distnlc.records import FAILED, OK
from distnlc.spec import spec_id
from distnlc.studies import kind_of, resolve
from distnlc.studies import rehearsal as kind
from distnlc.studies.nlc import unit as nlc
from distnlc.studies.rehearsal import Spec


def spec_of(*assignments: str) -> Spec:
    spec = resolve("rehearsal", ["seconds=0", *assignments])
    assert isinstance(spec, Spec)
    return spec


def values(spec: Spec) -> list[float]:
    return [kind.run(spec, unit, "cpu")["units"][0].value for unit in kind.units(spec)]


def test_the_numbers_depend_on_the_seed_alone() -> None:
    spec = spec_of("count=50")
    assert values(spec) == values(spec)
    assert len(set(values(spec))) == 50
    assert all(0 <= value < 1 for value in values(spec))
    assert set(values(spec)).isdisjoint(values(spec_of("count=50", "seed=1")))


def test_more_units_rename_none_and_pace_and_faults_are_no_part_of_the_study() -> None:
    few, many = spec_of("count=5"), spec_of("count=50", "seconds=1", "faults.hangs=[1]", "journal=x")
    assert [unit.unit_id for unit in kind.units(few)] == [unit.unit_id for unit in kind.units(many)][:5]
    assert spec_id(spec_of("count=50")) == spec_id(many)
    assert kind.units(few)[0].unit_id != kind.units(spec_of("seed=1"))[0].unit_id


@pytest.mark.parametrize(("fault", "error"), [("raises", ValueError), ("nan", ValueError), ("memory", MemoryError)])
def test_faults_happen_to_the_named_units_alone(fault: str, error: type[Exception]) -> None:
    spec = spec_of("count=3", f"faults.{fault}=[1]")
    first, second, third = kind.units(spec)
    with pytest.raises(error):
        kind.run(spec, second, "cpu")
    assert kind.run(spec, first, "cpu")["units"][0].status == OK
    assert kind.run(spec, third, "cpu")["units"][0].status == OK


def test_every_attempt_leaves_a_file_in_the_journal(tmp_path: Path) -> None:
    spec = spec_of("count=2", "faults.raises=[1]", f"journal={tmp_path}")
    good, bad = kind.units(spec)
    kind.run(spec, good, "cpu")
    for _ in range(2):
        with pytest.raises(ValueError, match="told to raise"):
            kind.run(spec, bad, "cpu")
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["0", "1", "1"]


def test_a_given_up_unit_keeps_its_place_and_reason() -> None:
    spec = spec_of("count=1")
    (unit,) = kind.units(spec)
    (row,) = kind.failed(spec, unit, "why", 2.0, 3)["units"]
    assert (row.unit_id, row.status, row.reason, row.seconds, row.attempts) == (unit.unit_id, FAILED, "why", 2.0, 3)
    assert kind.view({"units": [row]}).tags["reason"] == "why"


def architecture(nlc_value: float | None, error: float | None) -> Any:
    return SimpleNamespace(init_nlc=nlc_value, test_error=error)


def test_the_running_correlation_is_that_of_all_architectures_so_far() -> None:
    generator = np.random.default_rng(0)
    nlcs = np.exp(generator.normal(20, 2, 300))
    errors = 0.1 + 1e-3 * np.log(nlcs) + generator.normal(0, 1e-3, 300)
    shown = nlc.Headline()
    for count, (value, error) in enumerate(zip(nlcs, errors, strict=True), start=1):
        shown.add(architecture(value, error))
        if count in {3, 50, 300}:
            expected = np.corrcoef(np.log(nlcs[:count]), errors[:count])[0, 1]
            assert shown.numbers()["correlation_log_nlc_test_error"] == pytest.approx(expected, rel=1e-12)
            assert shown.numbers()["best_test_error"] == errors[:count].min()


def test_architectures_without_a_number_and_constant_ones_are_left_out() -> None:
    shown = nlc.Headline()
    assert shown.numbers() == {}
    for value, error in [(None, None), (2.0, None), (math.inf, 0.1), (0.0, 0.1), (math.nan, 0.1)]:
        shown.add(architecture(value, error))
    assert shown.numbers() == {}
    for _ in range(5):
        shown.add(architecture(2.0, 0.5))
    assert shown.numbers() == {"best_test_error": 0.5}


def test_the_rehearsals_headline_is_the_mean_value() -> None:
    spec = spec_of("count=20")
    shown = kind_of("rehearsal").Headline()
    for unit in kind.units(spec):
        shown.add(kind.run(spec, unit, "cpu")["units"][0])
    assert shown.numbers() == {"mean_value": pytest.approx(sum(values(spec)) / 20)}
