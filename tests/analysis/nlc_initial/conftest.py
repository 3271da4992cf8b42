"""The shipped study of networks at initialization, and a tiny one, done in this process."""

from pathlib import Path

import pytest

from distnlc.analysis import EXAMPLES
from distnlc.analysis.tables import Tables, load
from distnlc.plugins import Work
from distnlc.records import OK
from distnlc.store import Store
from distnlc.studies import resolve
from distnlc.studies.nlc_initial import KIND
from distnlc.studies.nlc_initial.unit import run
from distnlc.studies.nlc_initial.units import units

TINY = (
    *("points=250", "parameters=2000", "metrics.nlc_batches=1", "parts.width-check.metrics.nlc_batches=1"),
    *("parts.confounders.architectures=2", "parts.width.architectures=2", "parts.spheres.pixels=16"),
    *("parts.precision.architectures=6", "parts.he-networks.depths=[2, 5, 10]"),
    *(
        f"parts.{part}.metrics={{walk_batches: 1, walk_inputs: 1, walk_outputs: 1}}"
        for part in ("confounders", "width")
    ),
)


@pytest.fixture(scope="session")
def example() -> Tables:
    return load(EXAMPLES / "nlc_initial")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the quick preset with less effort, all of its units done."""
    folder = tmp_path_factory.mktemp("tiny") / "study"
    spec = resolve("nlc-initial-quick", TINY)
    with Store.create_or_open(folder, spec, KIND.tables) as store:
        store.commit([(unit.unit_id, OK, run(spec, unit, Work())) for unit in units(spec)])
    return folder
