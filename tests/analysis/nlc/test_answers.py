"""The answers of a study count and correlate the right rows, and say so in sentences."""

from dataclasses import replace

import pytest

from distnlc.analysis.nlc.answers import PartSummary, answers, overview, sentences, summarize
from distnlc.analysis.nlc.paper import Stated
from distnlc.analysis.tables import Tables
from tests.helpers.synthetic import architecture_row, failed_row, realistic_rows, tables_of


@pytest.fixture(scope="module")
def summarized(paper: Tables) -> list[PartSummary]:
    return summarize(paper)


def test_summary_counts() -> None:
    rows = [
        architecture_row(i, init_nlc=1.0 + i, test_error=0.1 + 0.02 * i, best_at_edge=i in {0, 29}, seconds=2.0)
        for i in range(30)
    ]
    tables = tables_of([*rows, failed_row(30, seconds=40.0)])
    (part,) = summarize(tables)
    assert (part.architectures, part.failed, part.runs, part.diverged_runs) == (31, 1, 90, 30)
    assert part.seconds == 100
    assert part.good_range is not None
    assert part.good_range.best == (1, 2, 3)
    assert (part.stated, part.correlation.n) == (Stated(0.67, 1.82e-33), 30)
    assert [value for value, _ in answers(tables).facts] == ["31", "90", "100 s"]
    assert answers(tables).work == [
        "31 architectures (1 failed), 90 training runs, 30 of them diverged; 90 epochs.",
    ]


def test_pruned_runs_are_counted_and_said() -> None:
    found = tables_of([architecture_row(i) for i in range(4)])
    assert "pruned" not in sentences(summarize(found)[0])[0]
    found.runs.loc[found.runs["run"] == 0, "status"] = "pruned"
    assert sentences(summarize(found)[0])[0].endswith("12 training runs, 4 of them diverged, 4 pruned.")
    assert "4 pruned before their end" in answers(found).work[0]


def test_the_answers_count_all_initial_weights_and_correlate_the_first() -> None:
    rows = [
        *realistic_rows(20, failures=0),
        *realistic_rows(20, failures=0, seed=9, initialization=1),
    ]
    rows = [architecture_row(**(row.__dict__ | {"unit_id": f"unit{number}"})) for number, row in enumerate(rows)]
    (part,) = summarize(tables_of(rows))
    assert (part.architectures, part.units, part.runs) == (20, 40, 1600)
    assert part.correlation.n == part.correlation.n_in == 20
    assert sentences(part)[0].startswith(
        "40 of 40 units finished (20 architectures, each from several initial weights), 0 failed; 1,600 training runs"
    )


def test_skipped_architectures_are_counted() -> None:
    untrained = dict.fromkeys(
        ("test_error", "val_error", "train_error", "runs", "best_run", "best_rate", "best_at_edge")
    )
    rows = [architecture_row(i, init_nlc=1.0 + i, test_error=0.1 + 0.01 * i) for i in range(4)]
    rows.append(architecture_row(4, status="skipped", reason="init_nlc is 9", init_nlc=9.0, **untrained))
    (part,) = summarize(tables_of(rows))
    assert sentences(part)[0].startswith("4 of 5 architectures finished, 0 failed, 1 skipped by train_if; ")
    assert part.correlation.left_out == {"not trained: skipped by train_if": 1}


def test_the_answers_of_several_parts_are_of_the_test_error_alone(summarized: list[PartSummary]) -> None:
    training = next(part for part in summarized if part.error == "training error")
    assert training.good_range is None
    assert not any("best 10%" in sentence for sentence in sentences(training))
    first, second = overview(summarized)
    assert training.title not in first
    assert all(part.title in first for part in summarized if part is not training)
    assert second.startswith("Of the 12 architectures")  # 4 parts of 25
    assert "of all 99, " in second


def test_the_answers_say_how_the_learning_rate_was_searched(paper: Tables, summarized: list[PartSummary]) -> None:
    assert sentences(summarized[0])[1].startswith("Search: all 40 starting rates were tried for every architecture")
    runs = paper.runs.assign(status=paper.runs["status"].mask(paper.runs["run"] < 30, "pruned"))
    found = summarize(replace(paper, frames=paper.frames | {"runs": runs}))
    assert sentences(found[0])[1] == (
        "Search: 40 of the 40 starting rates were tried for each architecture, and 250 of 1,000 runs trained to their "
        "end (the paper: all of both)."
    )
    assert "were stopped early" in overview(found)[2]
