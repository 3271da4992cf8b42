"""A rehearsal's numbers depend on its seed alone; its faults happen."""

from pathlib import Path

import pytest

from distnlc.plugins import Work
from distnlc.records import OK
from distnlc.spec import spec_id
from distnlc.studies import rehearsal as kind
from distnlc.studies import resolve
from distnlc.studies.rehearsal import Spec


def spec_of(*assignments: str) -> Spec:
    spec = resolve("rehearsal", ["seconds=0", *assignments])
    assert isinstance(spec, Spec)
    return spec


def values(spec: Spec) -> list[float]:
    return [kind.run(spec, unit, Work())["units"][0].value for unit in kind.units(spec)]


def test_the_numbers_depend_on_the_seed_alone() -> None:
    found, again, others = (values(spec_of("count=50", f"seed={seed}")) for seed in (0, 0, 1))
    assert found == again
    assert len({*found, *others}) == 100
    assert 0 <= min(found) <= max(found) < 1


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
        kind.run(spec, second, Work())
    assert kind.run(spec, first, Work())["units"][0].status == OK
    assert kind.run(spec, third, Work())["units"][0].status == OK


def test_every_attempt_leaves_a_file_in_the_journal(tmp_path: Path) -> None:
    spec = spec_of("count=2", "faults.raises=[1]", f"journal={tmp_path}")
    good, bad = kind.units(spec)
    kind.run(spec, good, Work())
    for _ in range(2):
        with pytest.raises(ValueError, match="told to raise"):
            kind.run(spec, bad, Work())
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["0", "1", "1"]


def test_the_rehearsals_headline_is_the_mean_value() -> None:
    spec = spec_of("count=20")
    shown = kind.Headline()
    for unit in kind.units(spec):
        shown.add(kind.run(spec, unit, Work())["units"][0])
    assert shown.numbers() == {"mean_value": pytest.approx(sum(values(spec)) / 20)}
