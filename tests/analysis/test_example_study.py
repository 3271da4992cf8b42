"""The example study that ships with the package: whole, consistent, and still what today's code would make of it."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

import analysis
from analysis.headline import summary
from distnlc import data
from distnlc.metrics import nlc
from distnlc.networks.sampling import Architecture
from distnlc.spec import derive_seed, spec_id
from distnlc.store import read_spec_fields
from distnlc.studies import from_fields, kind_of, resolve

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


@pytest.fixture(scope="module")
def tables() -> analysis.Tables:
    return analysis.load(analysis.EXAMPLE)


def drawn(row: object) -> Architecture:
    return Architecture(**{field.name: getattr(row, field.name) for field in fields(Architecture)})


def test_it_is_the_preset_waveform_small() -> None:
    study = from_fields(read_spec_fields(analysis.EXAMPLE), where="example study")
    assert spec_id(study) == spec_id(resolve("waveform-small"))


def test_every_architecture_has_all_its_runs_and_every_run_its_epochs(tables: analysis.Tables) -> None:
    assert len(tables.architectures) == 60
    assert set(tables.architectures.status) == {"ok"}
    assert set(tables.runs.groupby("unit_id").run.nunique()) == {40}
    counted = tables.epochs.groupby(["unit_id", "run"]).size().rename("counted")
    runs = tables.runs.join(counted, on=["unit_id", "run"])
    assert (runs.epochs == runs.counted).all()


def test_the_chosen_run_has_the_lowest_validation_error_and_the_lowest_rate_of_those(tables: analysis.Tables) -> None:
    for row in tables.architectures.itertuples():
        runs = tables.runs[(tables.runs.unit_id == row.unit_id) & (tables.runs.status == "ok")]
        best = runs.sort_values(["val_error", "start_rate"]).iloc[0]
        assert (row.best_run, row.best_rate, row.test_error) == (best.run, best.start_rate, best.test_error)


def test_its_ids_are_those_of_todays_code(tables: analysis.Tables) -> None:
    study = resolve("waveform-small")
    assert {unit.unit_id for unit in kind_of("nlc").units(study)} == set(tables.architectures.unit_id)
    for row in tables.architectures.itertuples():
        assert drawn(row).architecture_id == row.architecture_id
        assert drawn(row).parameters == row.parameters


def test_its_initial_nlc_is_measured_again(
    tables: analysis.Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path))
    study = resolve("waveform-small")
    inputs = data.load(study.data, study.seed).train_inputs
    shallow = tables.architectures.sort_values(["depth", "index"]).head(3)
    for row in shallow.itertuples():
        seed = derive_seed("metrics", row.seed, "nlc")
        assert nlc(drawn(row).build(), inputs, seed=seed) == pytest.approx(row.init_nlc, rel=1e-6)


def test_the_readme_states_its_correlation() -> None:
    (part,) = summary(analysis.EXAMPLE).parts
    stated = re.search(r"correlation of log NLC with test error (\d\.\d\d)", README)
    assert stated
    assert float(stated[1]) == round(part.correlation.pearson, 2)
