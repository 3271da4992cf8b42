"""The example study that ships with the package: whole, consistent, and still what today's code would make of it."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from distnlc import analysis
from distnlc.analysis.nlc.answers import summarize
from distnlc.data.dataset import load
from distnlc.metrics.groups import GROUPS, measured_by
from distnlc.metrics.nlc import nlc as nlc_of
from distnlc.networks.architecture import Architecture
from distnlc.search import wave_sizes
from distnlc.spec import derive_seed, spec_id
from distnlc.store import read_spec_fields
from distnlc.studies import from_fields, resolve
from distnlc.studies.nlc.cost import sweep_epochs
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import units

README = (Path(__file__).parent.parent.parent / "README.md").read_text()
PRESET = "paper-small-all"


@pytest.fixture(scope="module")
def tables() -> analysis.Tables:
    return analysis.load(analysis.EXAMPLE)


def drawn(row: object) -> Architecture:
    return Architecture(**{field.name: getattr(row, field.name) for field in fields(Architecture)})


def test_it_is_the_preset(tables: analysis.Tables) -> None:
    study = from_fields(read_spec_fields(analysis.EXAMPLE), where="example study")
    assert spec_id(study) == spec_id(resolve(PRESET))
    assert set(tables.architectures.status) == {"ok"}


def test_every_architecture_has_all_its_runs_and_every_run_its_epochs(tables: analysis.Tables) -> None:
    study = resolve(PRESET)
    assert isinstance(study, Spec)
    runs = tables.runs.groupby("unit_id").run.nunique()
    for part, rows in tables.architectures.groupby("part"):
        assert set(runs[rows.unit_id]) == {sum(wave_sizes(study.part(str(part)).search))}
    counted = tables.epochs.groupby(["unit_id", "run"]).size().rename("counted")
    joined = tables.runs.join(counted, on=["unit_id", "run"])
    assert (joined.epochs == joined.counted).all()


def test_the_chosen_run_has_the_lowest_error_of_the_criterion_and_the_lowest_rate_of_those(
    tables: analysis.Tables,
) -> None:
    finite = tables.runs[tables.runs.status != "diverged"]
    for criterion, rows in tables.architectures.groupby("criterion"):
        error = "train_error" if criterion == "training-error" else "val_error"
        best = finite.sort_values([error, "start_rate"]).groupby("unit_id").first()
        chosen = rows.set_index("unit_id")
        for name, column in (("best_run", "run"), ("best_rate", "start_rate"), ("test_error", "test_error")):
            assert (chosen[name] == best.loc[chosen.index, column]).all()


def test_every_network_has_each_metric_of_the_groups_or_the_reason_why_not(tables: analysis.Tables) -> None:
    study, found = resolve(PRESET), tables.measurements
    assert isinstance(study, Spec)
    names = set(measured_by(study.metrics.groups))
    assert set(found.stage) == {"initial"}
    assert set(found.name) == names
    assert set(found.unit_id) == set(tables.architectures.unit_id)
    assert len(found) == len(names) * len(tables.architectures)
    assert (found.value.isna() == found.reason.notna()).all()


def test_metrics_cost_a_small_part_of_a_whole_search(tables: analysis.Tables) -> None:
    """The example's search trains a quarter of the epochs that `waveform-small` does, on the same kind of networks."""
    of_example, whole = resolve(PRESET), resolve("waveform-small")
    assert isinstance(of_example, Spec)
    assert isinstance(whole, Spec)
    part = of_example.part("waveform")
    cut = sweep_epochs(part.search, part.training.population) / sweep_epochs(whole.search, whole.training.population)
    rows = tables.architectures[tables.architectures.part == "waveform"].set_index("unit_id")
    firsts = [next(iter(each.quantities)) for group in part.metrics.groups for each in GROUPS[group]]
    of_function = tables.measurements[tables.measurements.name.isin(firsts)]
    seconds = of_function.pivot(index="unit_id", columns="name", values="seconds").loc[rows.index]
    columns = [name for name in rows if name.endswith("_seconds")]
    training = rows.seconds - rows[columns].sum(axis=1) - seconds.sum(axis=1)
    shares = cut * seconds.join(rows[columns]).div(training, axis=0)
    walks = ["lipschitz_seconds", "diameter_seconds"]
    assert shares.drop(columns=walks).sum(axis=1).median() < 0.1
    assert (shares.drop(columns=walks).median() < 0.01).all()


def test_its_ids_are_those_of_todays_code(tables: analysis.Tables) -> None:
    assert {unit.unit_id for unit in units(resolve(PRESET))} == set(tables.architectures.unit_id)
    for row in tables.architectures.itertuples():
        assert drawn(row).architecture_id == row.architecture_id
        assert drawn(row).parameters == row.parameters


def test_its_initial_nlc_is_measured_again(
    tables: analysis.Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path))
    study = resolve(PRESET)
    assert isinstance(study, Spec)
    part = study.part("waveform")
    inputs = load(part.data, part.seed).train_inputs
    rows = tables.architectures[tables.architectures.part == "waveform"]
    for row in rows.sort_values(["depth", "index", "initialization"]).head(3).itertuples():
        seed = derive_seed("metrics", row.seed, "nlc")
        again = nlc_of(drawn(row).build(), inputs, batches=part.metrics.nlc_batches, seed=seed)
        assert again == pytest.approx(row.init_nlc, rel=1e-6)


def test_the_readme_states_its_correlation(tables: analysis.Tables) -> None:
    parts = {part.title: part for part in summarize(tables)}
    stated = re.search(r"correlation of log NLC with test error is (\d\.\d\d)", README)
    assert stated
    assert float(stated[1]) == round(parts["waveform-noise (SGD)"].correlation.pearson, 2)
