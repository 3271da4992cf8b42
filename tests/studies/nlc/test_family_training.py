"""Families are trained like the study's own architectures: the trained network is the one whose errors are recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distnlc import plugins
from distnlc.plugins import Family, Metric, Work
from distnlc.records import Records
from distnlc.spec import StudySpec
from distnlc.studies import resolve
from distnlc.studies.nlc import unit as nlc
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import units
from distnlc.training import checkpoint
from tests.helpers.small_studies import TINY_NLC

SETTINGS = (*TINY_NLC, "search.smallest_update=0.001")


@dataclass
class Normalized:
    """With running statistics and dropout, as people build networks."""

    d_in: int
    d_out: int
    properties: Mapping[str, Any] = field(default_factory=lambda: {"kind": "normalized"})

    def build(self) -> nn.Module:
        inner = [nn.Linear(self.d_in, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1)]
        return nn.Sequential(*inner, nn.Linear(12, self.d_out))


def error(network: nn.Module, inputs: Tensor, labels: Tensor, _effort: Any) -> Tensor:
    return (network(inputs).argmax(1) != labels).double().mean()


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    family = Family(name="mine", draw=lambda _, *, d_in, d_out, **__: Normalized(d_in, d_out))
    metric = Metric(name="error", label="error", measure=error)
    named = {(Family, "mine"): (family, "test"), (Metric, "error"): (metric, "test")}
    monkeypatch.setattr(plugins, "_named", named)
    sampling = "sampling={count: 1, family: mine, parameters: 600}"
    return resolve("quick", [*SETTINGS, sampling, "metrics.extra=[error]"])


def done(study: StudySpec, work: Work | None = None) -> Records:
    assert isinstance(study, Spec)
    (unit,) = units(study)
    nlc.prepare(study, study.part_names())
    torch.manual_seed(torch.seed())
    return nlc.run(study, unit, work or Work())


def test_the_trained_network_has_the_errors_of_the_chosen_run(study: StudySpec) -> None:
    records = done(study)
    row = records["architectures"][0]
    values = {measured.stage: measured.value for measured in records["measurements"]}
    assert row.status == "ok"
    assert values["trained"] == pytest.approx(row.train_error)
    assert row.train_error < 0.5
    assert row.train_error < values["initial"]
    assert None not in {row.init_nlc, row.trained_nlc, row.trained_bias, row.best_rate}
    assert (row.activation_nlc, row.depth) == (None, 0)
    (kind,) = records["properties"]
    assert (kind.name, kind.text, kind.value) == ("kind", "normalized", None)


@pytest.mark.slow
def test_the_rows_are_the_same_every_time(study: StudySpec) -> None:
    assert without_times(done(study)) == without_times(done(study))


@pytest.mark.slow
def test_a_unit_that_goes_on_from_a_checkpoint_has_the_same_rows(
    study: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", -1.0)
    expected = without_times(done(study))
    work = Work(checkpoints=tmp_path / "u1")
    done(study, work)
    assert len(list((tmp_path / "u1").glob("*.npz"))) == checkpoint.KEPT
    monkeypatch.setattr(nlc, "measure_untrained", None)  # what the checkpoint holds is not measured again
    assert without_times(done(study, work)) == expected


def without_times(records: Records) -> list[dict[str, Any]]:
    times = {"seconds", *(name for name in vars(records["architectures"][0]) if name.endswith("seconds"))}
    rows = [row for table in records.values() for row in table]
    return [{name: str(value) for name, value in vars(row).items() if name not in times} for row in rows]
