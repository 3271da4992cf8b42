"""A study with groups of metrics: their rows stand beside the columns, nothing else changes, and it is resumed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from distnlc import plugins
from distnlc.metrics.groups import GROUPS, measured_by
from distnlc.plugins import Family, Work
from distnlc.records import Records, columns_of
from distnlc.spec import SpecError
from distnlc.studies import resolve
from distnlc.studies.nlc import unit as nlc
from distnlc.studies.nlc.cost import rows as expected_rows
from distnlc.studies.nlc.records import ArchitectureRow
from distnlc.studies.nlc.units import units
from distnlc.training import checkpoint
from tests.helpers.small_studies import TINY_NLC

GROUPED = f"metrics={{groups: [{', '.join(GROUPS)}], nlc_batches: 2, walk_batches: 0}}"


@dataclass
class Normalized:
    """With running statistics and dropout, as people build networks."""

    d_in: int
    d_out: int
    properties: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        inner = [nn.Linear(self.d_in, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1)]
        return nn.Sequential(*inner, nn.Linear(12, self.d_out))


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    family = Family(name="mine", draw=lambda _, *, d_in, d_out, **__: Normalized(d_in, d_out))
    monkeypatch.setattr(plugins, "_named", {(Family, "mine"): (family, "test")})


def study(*assignments: str) -> nlc.Spec:
    found = resolve("quick", [*TINY_NLC, "search.smallest_update=0.001", *assignments])
    assert isinstance(found, nlc.Spec)
    return found


def done(spec: nlc.Spec, work: Work | None = None) -> list[Records]:
    nlc.prepare(spec, spec.part_names())
    return [nlc.run(spec, unit, work or Work()) for unit in units(spec)]


def values(records: Records) -> dict[str, float | None]:
    return {row.name: row.value for row in records["measurements"]}


def columns(records: Records) -> dict[str, Any]:
    (row,) = records["architectures"]
    timed = {name for name in columns_of(ArchitectureRow) if name.endswith("seconds")}
    return {name: value for name, value in vars(row).items() if name not in timed | {"unit_id"}}


@pytest.mark.slow
def test_a_study_with_all_groups_has_their_rows_and_the_columns_that_it_has_without() -> None:
    without, spec = study("sampling.count=4"), study("sampling.count=4", GROUPED)
    assert {unit.unit_id for unit in units(spec)}.isdisjoint(unit.unit_id for unit in units(without))
    found = done(spec)
    assert [columns(records) for records in found] == [columns(records) for records in done(without)]
    for unit, records in zip(units(spec), found, strict=True):
        assert [row.name for row in records["measurements"]] == list(measured_by(GROUPS))
        assert {(row.unit_id, row.stage) for row in records["measurements"]} == {(unit.unit_id, "initial")}
    assert len({values(records)["chi"] for records in found}) == 4
    assert sum(len(records["measurements"]) for records in found) == expected_rows(spec)["measurements"]


def test_a_family_s_networks_are_measured_and_their_rows_are_the_same_every_time() -> None:
    spec = study("sampling={count: 1, family: mine, parameters: 600}", GROUPED)
    (first,), (second,) = done(spec), done(spec)
    assert values(first) == values(second)
    assert [name for name, value in values(first).items() if value is None] == ["naswot", "layerwise_naswot"]
    (reason,) = {row.reason for row in first["measurements"] if row.name == "naswot"}
    assert "too few neurons for so many inputs" in reason
    assert (values(first)["depth"], first["architectures"][0].depth) == (2, 0)


@pytest.mark.slow
def test_float32_is_a_type_of_its_own() -> None:
    (single,), (double,) = (
        done(study("sampling.count=1", GROUPED, f"dtype={dtype}")) for dtype in ("float32", "float64")
    )
    assert values(single)["chi"] == pytest.approx(values(double)["chi"], rel=1e-3)


def test_a_unit_that_goes_on_from_a_checkpoint_keeps_the_rows_and_measures_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", -1.0)
    spec, work = study("sampling.count=1", GROUPED), Work(checkpoints=tmp_path / "u1")
    (before,) = done(spec, work)
    monkeypatch.setattr(nlc, "measure_groups", None)
    (after,) = done(spec, work)
    assert after["measurements"] == before["measurements"]
    assert columns(after) == columns(before)


def test_a_filter_by_a_metric_of_a_group_trains_those_in_its_range() -> None:
    spec = study("sampling.count=3", "metrics.groups=[moments]")
    ordered = sorted(done(spec), key=lambda records: values(records)["chi"] or 0)
    between = [values(records)["chi"] for records in ordered[:2]]
    condition = f"chi between {between[0]} and {between[1]} and depth above 0"
    found = {
        values(records)["chi"]: records["architectures"][0]
        for records in done(study("sampling.count=3", "metrics.groups=[moments]", f"train_if={condition}"))
    }
    assert [found[values(records)["chi"]].status for records in ordered] == ["ok", "ok", "skipped"]
    assert "chi is" in str(found[values(ordered[2])["chi"]].reason)


def test_a_filter_by_what_a_family_s_networks_lack_skips_them() -> None:
    spec = study("sampling={count: 1, family: mine, parameters: 600}", "train_if=activation_nlc below 9")
    ((row,),) = [records["architectures"] for records in done(spec)]
    assert (row.status, row.reason) == ("skipped", "not trained: activation_nlc was not measured, not below 9")


def test_groups_are_refused_where_they_are_not_measured() -> None:
    with pytest.raises(SpecError, match=r"metrics\.groups is measured by the kind nlc alone, but it names moments"):
        resolve("nlc-initial-quick", ["metrics.groups=[moments]"])
