"""Table 2, figures 2, 4, 5 and 6, claims, checks and answers, from invented rows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.gradients import checks as checking
from distnlc.analysis.gradients import table2, training_claims
from distnlc.analysis.gradients.claims import HOLDS, OPEN, Finding, judged
from distnlc.analysis.gradients.report import REPORT
from distnlc.analysis.gradients.runs import Run, Runs, runs_of
from distnlc.analysis.tables import Tables
from tests.helpers.synthetic_gradients import checks, noise, study
from tests.helpers.synthetic_trainings import all_trainings, training

FIGURES = {figure.name: figure for figure in REPORT.figures}
TRAINED = ("figure2", "figure4", "figure5", "figure6")


@pytest.fixture(scope="module")
def table_2() -> Tables:
    """Both protocols of all fifteen networks."""
    return study(*all_trainings())


def finding(tables: Tables, panel: str, said: str) -> Finding:
    found = judged(training_claims.CLAIMS, Runs(runs_of(tables)), panel)
    return next(one.finding for one in found if said in one.said)


def only(tables: Tables) -> Run:
    (run,) = runs_of(tables)
    return run


def test_a_run_has_the_measured_epochs_alone() -> None:
    run = only(study(training("tanh", epochs=12, candidates=5)))
    epochs, errors = run.over_epochs("train_error")
    assert epochs.tolist() == list(range(1, 13))
    assert errors[-1] == pytest.approx(run.error)


def test_updates_stand_beside_the_gradient_scale_after_pre_training() -> None:
    run = only(study(training("tanh", "layer", protocol="custom", gsc=80.0)))
    linear, updates, inverse = run.scale_at_updates()
    assert linear.tolist() == list(range(1, 52))
    assert (np.diff(updates) > 0).all()
    assert 1 / inverse[0] == pytest.approx(40, rel=0.05)  # halved in pre-training
    skips = only(study(training("tanh", "layer", skip="identity", protocol="custom", gsc=80.0)))
    assert skips.scale_at_updates()[2] == pytest.approx(inverse, rel=0.02)  # interpolated between blocks


def test_minibatches_and_full_batches_are_told_apart_by_their_size() -> None:
    mini = training("relu", "batch", name="mini", error=0.9, batch=200)
    tables = study(mini, training("relu", "batch", name="full", error=0.4, batch=None))
    assert [run.batch for run in runs_of(tables)] == [None, 200]
    assert finding(tables, "2B", "minibatches").verdict == HOLDS
    assert "batches of 200" in finding(tables, "2B", "minibatches").evidence
    frame = table2.tabulate(tables).sections[0][1]
    assert frame.loc["batch-ReLU", "single, measured"] == "40"


def test_how_far_taylor_cuts_a_network() -> None:
    assert only(study(training("tanh", cut=14))).cut == 14
    assert only(study(training("tanh", cut=2))).cut == 2
    kept = training("tanh", cut=14)
    kept["taylor"]["train_error"] += 0.05  # the expansion of the lowest layers alone is worse than the network
    assert only(study(kept)).cut == 51
    without = study({**training("tanh"), "taylor": []})
    assert only(without).cut is None


def test_table_2_says_what_is_smaller_and_which_protocol_is_better(table_2: Tables) -> None:
    table = table2.tabulate(table_2)
    assert table.sections[0][1].loc["layer-tanh", "custom, printed"] == "1.92 *"
    assert table.sections[0][1].loc["layer-tanh", "custom, measured"] == "1.9"
    assert table.remarks[0].startswith("These trainings are smaller than the paper's, their errors not comparable: ")
    assert "dataset mnist instead of cifar10; training points 2,000 instead of 50,000" in table.remarks[0]
    assert table.remarks[1].startswith("The better protocol is the paper's for 14 of 14")
    other = study(*(training("tanh", protocol=name, error=error) for name, error in (("custom", 0.1), ("single", 0.2))))
    assert "0 of 1 networks that were trained by both; not for tanh" in table2.tabulate(other).remarks[1]


def test_a_training_of_the_paper_s_size_has_no_reductions() -> None:
    full = study(training("tanh", points=50_000, dataset="cifar10"))
    assert not any("smaller" in line for line in table2.tabulate(full).remarks)


def test_reductions_are_those_of_the_spec_too() -> None:
    parts = {"full": {"training": {"batch": None, "patience": 10}}, "layers": {"training": {"selection_every": 5}}}
    tables = study(training("tanh", name="full"), training("tanh", name="layers", protocol="custom"))
    tables = replace(tables, spec={"training": {"batch": 200, "patience": 3, "steps": [0.1, 0.01]}, "parts": parts})
    (said, *_) = table2.tabulate(tables).remarks
    for each in (
        "points of a minibatch 200 instead of 1000",
        "epochs of patience 3, 10 instead of 5",
        "linear layers to each step size searched for 5 instead of 1",
        "starting step sizes 2 instead of 21",
    ):
        assert each in said


def test_every_panel_is_drawn_and_headed_by_its_claims(table_2: Tables) -> None:
    for name, panels in zip(TRAINED, (6, 8, 8, 8), strict=True):
        drawn = FIGURES[name].draw(table_2)
        assert len(drawn.figure.axes) == panels
        assert all(axes.get_lines() for axes in drawn.figure.axes)
        number = name[-1]
        claims = [one for one in training_claims.CLAIMS if one.panel.startswith(number)]
        assert [line.partition(", ")[0] for line in drawn.remarks[: len(claims)]] == [one.panel for one in claims]


def test_a_figure_of_few_trainings_says_what_is_missing_and_which_protocol_stands_in() -> None:
    tables = study(training("tanh", "layer", protocol="single"), noise(6))
    drawn = FIGURES["figure2"].draw(tables)
    assert "By the other protocol than in the paper's figure: layer-tanh (single)." in drawn.remarks
    assert "Not in this study: batch-ReLU; batch-tanh; SELU." in drawn.remarks
    with pytest.raises(MissingRecordsError, match="no finished training of ReLU; layer-ReLU; tanh"):
        FIGURES["figure4"].draw(tables)


TANH: Callable[..., dict[str, Any]] = lambda **more: training("tanh", "layer", **more)  # noqa: E731


@pytest.mark.parametrize(
    ("panel", "said", "holding", "failing"),
    [
        ("2A", "stay below", [TANH(protocol="custom", gsc=70.0)], [TANH(protocol="custom", gsc=1e6)]),
        ("2A", "they fall", [TANH(protocol="custom")], [TANH(protocol="custom", update_slope=-0.02)]),
        (
            "2A",
            "faster",
            [
                TANH(protocol="custom", gsc=70.0, update_slope=0.03),
                training("selu", protocol="custom", gsc=6.0, update_slope=0.01),
            ],
            [
                TANH(protocol="custom", gsc=70.0, update_slope=0.01),
                training("selu", protocol="custom", gsc=6.0, update_slope=0.03),
            ],
        ),
        (
            "2B",
            "the less it explodes",
            [TANH(gsc=70.0, error=0.1), training("selu", gsc=6.0, error=0.01)],
            [TANH(gsc=70.0, error=0.01), training("selu", gsc=6.0, error=0.1)],
        ),
        ("2C", "regains", [TANH(protocol="custom", later=1.2)], [TANH(protocol="custom", later=0.6)]),
        ("2D", "stays below", [TANH(depth=30)], [TANH(depth=50)]),
        ("2E", "fall towards", [TANH()], [TANH(residual_slope=-0.02)]),
        ("2E", "SELU", [training("selu", residual_slope=-0.02)], [training("selu", residual_slope=0.02)]),
        ("2F", "cut enormously", [TANH(cut=10)], [TANH(cut=40)]),
        (
            "2F",
            "depth 15",
            [TANH(cut=10, error=0.02), training("tanh", "batch", error=0.1)],
            [TANH(cut=20, error=0.02), training("tanh", "batch", error=0.1)],
        ),
        ("4A", "no trend", [], [training("tanh", protocol="custom")]),
        (
            "5B",
            "lower",
            [TANH(error=0.1), TANH(skip="identity", error=0.01)],
            [TANH(error=0.01), TANH(skip="identity", error=0.1)],
        ),
        ("5F", "Taylor", [TANH(cut=10), TANH(skip="identity", cut=40)], [TANH(cut=40), TANH(skip="identity", cut=10)]),
        ("5C", "stays low", [TANH(skip="identity", gsc=2.0)], [TANH(skip="identity", gsc=20.0)]),
        (
            "6B",
            "beats",
            [training("relu", matrices="looks-linear", error=0.01), TANH(skip="identity", error=0.1)],
            [training("relu", matrices="looks-linear", error=0.2), TANH(skip="identity", error=0.1)],
        ),
        (
            "D.3",
            "large first step",
            [TANH(), TANH(name="large", first_update=1.0, depth=40, error=0.8)],
            [TANH(), TANH(name="large", first_update=1.0, depth=40, error=0.01)],
        ),
    ],
)
def test_a_claim_s_verdict_follows_from_the_rows(
    panel: str, said: str, holding: list[dict[str, Any]], failing: list[dict[str, Any]]
) -> None:
    if holding:
        assert finding(study(*holding), panel, said).verdict == HOLDS
    assert finding(study(*failing), panel, said).verdict == "does not hold"
    assert finding(study(training("relu", "layer")), panel, said).verdict == OPEN


def test_what_never_learnt_leaves_open_how_far_it_can_be_cut() -> None:
    assert finding(study(TANH(cut=2, error=0.87)), "2F", "cut enormously").verdict == OPEN


def test_equal_errors_and_slopes_decide_nothing() -> None:
    alike = study(TANH(protocol="custom", gsc=70.0, error=0.0), training("selu", protocol="custom", gsc=6.0, error=0.0))
    assert finding(alike, "2B", "the less it explodes").verdict == OPEN
    assert finding(alike, "2A", "faster").verdict == OPEN


def test_no_trend_holds_where_one_is_excluded_and_stays_open_where_the_slope_is_hardly_known() -> None:
    for spread, verdict in ((0.1, HOLDS), (5.0, OPEN)):
        run = training("tanh", protocol="custom", update_slope=0.0)
        updates, layer = run["layers"]["relative_update"], run["layers"]["linear_layer"]
        run["layers"]["relative_update"] = updates * np.exp(spread * np.sin(9.0 * layer**2))
        assert finding(study(run), "4A", "no trend").verdict == verdict


def test_an_error_of_0_leaves_open_whether_depth_is_flat_while_it_falls() -> None:
    run = TANH(depth=30)
    run["epochs"]["rate"] = 3.0 ** -(run["epochs"]["epoch"] // 4)
    assert finding(study(run), "2D", "flat").verdict == HOLDS
    run["epochs"]["train_error"] = run["epochs"]["train_error"].where(run["epochs"]["epoch"] < 12, 0.0)
    assert finding(study(run), "2D", "flat").verdict == OPEN


def test_minibatches_of_unequal_classes_that_learn_nothing_decide_nothing() -> None:
    for error, dataset, verdict in (
        (0.885, "mnist", OPEN),
        (0.885, "cifar10", "does not hold"),
        (0.5, "mnist", "does not hold"),
    ):
        tables = study(training("relu", "batch", error=error, dataset=dataset))
        assert finding(tables, "2B", "minibatches").verdict == verdict


def test_the_gradient_scale_falls_in_pre_training_by_passes_over_all_points() -> None:
    run = TANH(protocol="custom", gsc=70.0)  # halved in the layers
    run["epochs"]["gsc_input"] = 70.0  # measured before the updates
    assert finding(study(run), "2C", "falls in pre-training").verdict == HOLDS


def test_a_first_update_of_0_is_no_fault_of_the_report() -> None:
    frozen = study(TANH(), TANH(name="frozen", first_update=0.0, depth=0, error=0.01))
    assert "beside layer-tanh (single) 0, 0, 1 %" in finding(frozen, "D.3", "large first step").evidence


CHECKS = (
    ("1-rescaling", "GSC", 2.0 + 1e-12, 2.0, None, None, "equal"),
    ("1-rescaling", "off", 2.0 + 1e-6, 2.0, None, None, "equal"),
    ("2-roundoff", "output", 1.307, 1.300, 0.004, None, "equal"),
    ("2-roundoff", "weights", 1.307, 1.200, 0.004, None, "equal"),
    ("3-steps", "R2", 0.9985, 0.999, None, 0.001, "at least"),
    ("3-steps", "R2 of tanh", 0.99, 0.999, None, 0.001, "at least"),
    ("10-bounded", "limit", 1.42, 1.46, None, 0.0, "at most"),
    ("10-bounded", "infinite", float("inf"), 1.46, None, 0.0, "at least"),
)


def test_checks_are_judged_by_tolerance_else_by_standard_errors_else_to_rounding() -> None:
    tables = study(checks(*CHECKS))
    assert [one.holds for one in checking.checks_of(tables)] == [True, False] * 4
    table = checking.tabulate(tables)
    assert table.remarks[0] == "4 of 8 checks hold, in 4 families."
    assert "2-roundoff, weights (1.307 beside 1.2)" in table.remarks[1]
    assert [name for name, _ in table.sections] == ["", "1-rescaling", "2-roundoff", "3-steps", "10-bounded"]


def test_answers_follow_from_the_rows() -> None:
    tables = study(*all_trainings(), noise(6), checks(*CHECKS[:1]))
    said = REPORT.answers(tables)
    assert said.facts == [("6", "networks on noise"), ("30", "trainings"), ("1", "checks")]
    assert said.overview[0].startswith("Table 1: 1 of 1 gradient scales lie within 3 standard errors")
    titles = [part.title for part in said.parts]
    assert titles == ["Networks on noise", "What skip connections hide", "Trainings", "Checks without training"]
    trainings = said.parts[2].sentences
    assert any("4A, relative updates have no trend with depth: does not hold" in line for line in trainings)
    assert any(
        line.startswith("Claims that hold: ") and "4B (custom step sizes do not help)" in line for line in trainings
    )
    assert any(line.endswith("Unexplained.") for line in trainings if "does not hold" in line)
    assert any(line.startswith("Open, for want of records") and "D.3" in line for line in trainings)


def test_a_study_without_a_finished_unit_answers_too() -> None:
    empty = study()
    assert REPORT.answers(empty).parts == []
    for shown in (*(figure.draw for figure in REPORT.figures), *(table.tabulate for table in REPORT.tables)):
        with pytest.raises(MissingRecordsError):
            shown(empty)


def test_a_study_of_single_networks_shows_everything_without_intervals() -> None:
    tables = study(*(noise(number, networks=1) for number in (1, 2, 4, 6, 25, 26)))
    for figure in ("figure1", "figure3"):
        FIGURES[figure].draw(tables)
    for table in REPORT.tables:
        if table.name in {"table1", "growth", "curves", "claims"}:
            table.tabulate(tables)
    assert REPORT.answers(tables).overview
