"""A metric of the user's own, as he runs it: named by --plugin, measured, ranked, missing here and there, elsewhere."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from distnlc.analysis import load
from distnlc.analysis.nlc.metrics import with_own
from tests.helpers.plugged import forget, modules_in
from tests.helpers.typed import Answer, distnlc

MINE = """
import distnlc

def size(network, inputs, labels, effort):
    return sum(parameter.square().sum() for parameter in network.parameters())

def moody(network, inputs, labels, effort):
    if sum(parameter.ndim == 2 for parameter in network.parameters()) > 5:
        raise ValueError("it is too deep")
    return 1.0

SIZE = distnlc.Metric(name="my-size", label="size of the weights", measure=size, log=True)
MOODY = distnlc.Metric(name="my-moody", label="moody", measure=moody)
"""
RATES = "search.smallest_update=0.001"
"""at which these few epochs train"""
EXTRA = "metrics.extra=[my-size, my-moody]"


@pytest.fixture(autouse=True)
def here(home: Path) -> Iterator[None]:
    with modules_in(home, {"my_metrics": MINE}):
        yield


def run(*words: str, out: str = "study") -> Answer:
    return distnlc("run", "tiny.yaml", "--out", out, "--executor", "serial", "--set", RATES, *words)


@pytest.fixture
def done() -> Answer:
    answer = run("--plugin", "my_metrics", "--set", EXTRA)
    assert answer.code == 0, answer.err
    return answer


@pytest.mark.usefixtures("done")
def test_it_is_measured_before_and_after_training_of_every_architecture() -> None:
    tables = load("study")
    architectures, runs, _ = tables
    assert len(runs) > 0
    found = tables.measurements
    sizes = found[found["name"] == "my-size"]
    assert sorted(sizes["unit_id"]) == sorted(list(architectures["unit_id"]) * 2)
    assert set(sizes["stage"]) == {"initial", "trained"}
    assert sizes["value"].gt(0).all()
    assert sizes["seconds"].gt(0).all()
    both = sizes.pivot(index="unit_id", columns="stage", values="value")
    assert (both["initial"] != both["trained"]).all()
    assert list(tables.properties.columns) == ["unit_id", "name", "value", "text"]


def test_where_it_raises_the_value_is_missing_the_unit_is_done_and_the_number_is_told(done: Answer) -> None:
    tables = load("study")
    assert list(tables.architectures["status"]) == ["ok"] * 3
    deep = int((tables.architectures["depth"] > 5).sum())
    assert 0 < deep < 3
    line = (
        f"warning: {2 * deep} of 6 values of the metric my-moody are missing, the first because it raised ValueError: "
        "it is too deep"
    )
    assert line in done.out.splitlines()
    forget("my_metrics")
    assert line in distnlc("status", "study").out.splitlines()
    assert "my-size are missing" not in done.out


@pytest.mark.slow
@pytest.mark.usefixtures("done", "full_report")
def test_a_study_with_it_is_read_reported_exported_and_ranked_where_the_plugin_is_not() -> None:
    forget("my_metrics")
    assert distnlc("status", "study").code == 0
    assert distnlc("report", "study").code == 0
    page = Path("study/report/index.html").read_text()
    assert "values of the metric my-moody are missing, the first because it raised ValueError" in page
    assert distnlc("export", "study", "--format", "csv").code == 0
    exported = pd.read_csv("study/export/measurements.csv")
    assert set(exported["label"]) == {"size of the weights", "moody"}
    rows, metrics = with_own(load("study").architectures, load("study").measurements)
    assert [(metric.name, metric.log) for metric in metrics] == [("moody", False), ("size of the weights", True)]
    assert rows[metrics[1].columns[0]].notna().all()
    assert "my_metrics" not in sys.modules


@pytest.mark.usefixtures("done")
def test_it_is_continued_with_the_plugin_and_the_same_version_alone() -> None:
    go_on = ["run", "study/study.yaml", "--out", "study", "--executor", "serial"]
    forget("my_metrics")
    answer = distnlc(*go_on)
    assert answer.code == 2
    assert answer.err.startswith("error: there is no metric 'my-moody' here; there are: none (the module of another is")
    assert answer.err.count("\n") == 1
    Path("my_metrics.py").write_text(MINE.replace("log=True", 'log=True, version="2"'))
    answer = distnlc(*go_on, "--plugin", "my_metrics")
    assert answer.code == 2
    assert "the study has the metric my-size in version 1; here it is version 2" in answer.err
    forget("my_metrics")
    answer = run("--plugin", "my_metrics", "--set", EXTRA)
    assert answer.code == 2
    assert "{'name': 'my-size', 'version': '1'}] -> [" in answer.err
    forget("my_metrics")
    Path("my_metrics.py").write_text(MINE)
    assert "nothing to do" in distnlc(*go_on, "--plugin", "my_metrics").out


def test_one_that_is_not_there_is_told_with_those_that_are() -> None:
    answer = run("--plugin", "my_metrics", "--set", "metrics.extra=[mine]")
    assert answer.code == 2
    assert "'metrics.extra.0': there is no metric 'mine' here; there are: my-size, my-moody" in answer.err
    forget("my_metrics")
    answer = run("--set", EXTRA)
    assert "there is no metric 'my-size' here; there are: none" in answer.err


def test_a_study_without_it_keeps_its_rows_and_has_empty_tables(finished: Path) -> None:
    tables = load(finished)
    assert (len(tables.measurements), len(tables.properties)) == (0, 0)
    assert len(list(tables)) == 3


def test_what_there_is_is_listed() -> None:
    said = distnlc("kinds", "--plugin", "my_metrics").out
    assert "metrics of your own: my-size, my-moody" in said


def test_it_is_refused_where_it_is_not_measured() -> None:
    answer = distnlc("plan", "nlc-initial-quick", "--plugin", "my_metrics", "--set", "metrics.extra=[my-size]")
    assert answer.code == 2
    assert "metrics.extra is measured by the kind nlc alone, but it names my-size" in answer.err
