"""Verdicts tell a study as the prototype found it from one in which nothing of the calculus holds."""

from dataclasses import replace

import pytest

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.report.criteria import Criterion
from distnlc.analysis.scaling import acceptance, paper
from distnlc.analysis.scaling.report import REPORT
from distnlc.analysis.tables import Tables
from tests.helpers.synthetic_scaling import ALEXNET, SETS, Invented, scaling_tables


@pytest.fixture(scope="module")
def holding() -> Tables:
    return scaling_tables()


@pytest.fixture(scope="module")
def found(holding: Tables) -> list[Criterion]:
    return acceptance.criteria(holding)


@pytest.fixture(scope="module")
def failed() -> list[Criterion]:
    return acceptance.criteria(scaling_tables(claims=False))


def test_everything_asked_for_holds_where_the_prototype_s_findings_hold(found: list[Criterion]) -> None:
    assert [one.sentence for one in found if one.asked and not one.holds] == []
    subjects = {one.place.split(",")[0] for one in found if one.asked}
    assert subjects == {"Table 1", "Table 2", "Figure 1", "Figure 2", "Figure 3", "Biases", "Residual networks"}


def test_nothing_asked_for_holds_where_the_calculus_says_nothing(failed: list[Criterion]) -> None:
    assert [one.sentence for one in failed if one.asked and one.holds is not False] == []


def test_the_same_is_asked_of_both(found: list[Criterion], failed: list[Criterion]) -> None:
    assert [(one.place, one.claim) for one in found] == [(one.place, one.claim) for one in failed]


def test_what_is_asked_at_another_size_stays_open() -> None:
    study = Invented()
    study.operations(True, draws=20)
    study.ratio(True, setups=20, samples=128)
    study.blocks(True, setups=4, samples=8)
    study.residual(True, setups=12)
    study.libsvm({name: SETS[name] for name in ("iris", "wine")}, seeds=3)
    study.alexnet(points=2000)
    found = acceptance.criteria(study.tables)
    assert {one.holds for one in found if one.asked} == {None}
    why = {one.place: one.why_open for one in found if one.asked}
    assert why["Table 1, operations"] == "20 draws, at least 40 decide"
    assert why["Figure 1, Hessian"] == "20 set-ups, at least 100 decide"
    assert why["Figure 2, fan-in"] == "4 set-ups, at least 20 decide"
    assert why["Residual networks, equal width, RescaleNet's, scaled"] == "12 networks, at least 100 decide"
    assert why["Table 2, geometric"] == "2 sets, not the ten that were worked out; 3 seeds, at least 5 decide"
    assert why["Figure 3"] == "points 2000 instead of 5000"


def test_other_rates_or_networks_stay_open() -> None:
    study = Invented()
    study.libsvm(rates=(-6, 1))
    study.alexnet(rates=(-3, -1))
    study.residual(True, blocks=3)
    study.ratio(True)
    study.parts["ratio"]["ratio"]["image"] = 28
    why = {one.place.split(",")[0]: one.why_open for one in acceptance.criteria(study.tables) if one.asked}
    assert why["Table 2"] == "rates [-6, 1] instead of [-6, 5]"
    assert why["Figure 3"] == "rates [-3, -1] instead of [-5, 1]"
    assert why["Residual networks"] == "blocks 3 instead of 6"
    assert why["Figure 1"] == why["Biases"] == "image 28 instead of 32"


def test_few_points_of_many_set_ups_stay_open_too() -> None:
    study = Invented()
    study.ratio(True, samples=64)
    why = {one.why_open for one in acceptance.criteria(study.tables)}
    assert why == {"64 points of each set-up, at least 256 decide"}


def test_the_paper_s_order_is_judged_under_both_readings(found: list[Criterion]) -> None:
    lowest, never = "geometric has the lowest average normalized loss", "geometric is never the worst"
    at_the_end, late = (
        {one.claim: one.verdict for one in found if one.place.startswith(f"Table 2, {reading}")}
        for reading in ("full pass", "mean of the last")
    )
    assert (at_the_end[lowest], at_the_end[never]) == ("does not hold", "does not hold")
    assert (late[lowest], late[never]) == ("holds", "holds")


def test_at_the_paper_s_size_its_order_is_asked_for_by_the_literal_reading() -> None:
    study = Invented()
    ours = (0.5, 0.7, 0.6, 0.9)
    study.libsvm({f"set{place:02d}": (ours, *SETS["vowel"][1:]) for place in range(paper.SETS)}, points=None)
    found = acceptance.criteria(study.tables)
    asked = {one.claim: one.verdict for one in found if one.asked and "full pass" in one.where}
    assert asked["geometric has the lowest average normalized loss"] == "holds"
    assert asked["arithmetic is most often the worst"] == "holds"
    assert asked["fan-out is most often the best"] == "does not hold"
    assert not any(one.asked for one in found if "last epoch" in one.where)


def test_at_full_width_the_paper_s_claims_on_alexnet_are_asked_for() -> None:
    apart = {init: (loss - 0.2 * (init == "geometric"), best) for init, (loss, best) in ALEXNET.items()}
    study = Invented()
    study.alexnet(apart, divisor=1)
    found = [one for one in acceptance.criteria(study.tables) if one.place == "Figure 3"]
    assert all(one.asked for one in found)
    assert {one.claim: one.verdict for one in found} == {
        "significantly below arithmetic after the last epoch": "holds",
        "significantly below fan-in after the last epoch": "holds",
        "significantly below fan-out at iterations in the middle alone": "does not hold",
    }


def test_a_method_that_fails_to_learn_is_named() -> None:
    study = Invented()
    study.libsvm({"vowel": ((1.0, 1.1, 2.39, 1.2), *SETS["vowel"][1:])})
    said = [line for part in REPORT.answers(study.tables).parts for line in part.sentences]
    assert "Failed to learn: fan-out on vowel." in said


@pytest.mark.slow
def test_the_report_says_that_the_order_is_not_reproduced(holding: Tables) -> None:
    answers = REPORT.answers(holding)
    parts = {part.title: part.sentences for part in answers.parts}
    trained = parts["Trainings on sets of LibSVM's page"]
    verdict, other = (line for line in trained if "the paper's order" in line)
    assert verdict.startswith("By the full pass at the end the paper's order (geometric with the lowest average and ")
    assert "is not reproduced on these 10 sets: averages geometric 0.91, fan-in 0.86, fan-out 0.94" in verdict
    assert "(paper, 26 sets: geometric 0.81, fan-in 0.84, fan-out 0.88, arithmetic 0.90)" in verdict
    assert other.startswith("By the mean of the last epoch")
    assert "is reproduced" in other
    assert "So the order depends on which loss is read, which the paper's text leaves open." in trained
    negatives = parts["Claims of the paper that these rows do not show"]
    assert any(line.startswith("Table 2, full pass at the end, geometric is never the worst") for line in negatives)
    assert any(line.startswith("With rates up to 2¹ alone") for line in trained)
    short = [line for line in answers.overview if "the paper's order" in line]
    assert [("not reproduced" in line, "by the full pass" in line) for line in short] == [(True, True), (False, False)]


def test_an_order_that_comes_out_is_said_to() -> None:
    study = Invented()
    study.libsvm({name: ((0.4, 0.5, 0.6, 0.7), *rest) for name, (_, *rest) in SETS.items()})
    assert any("is reproduced by the full pass at the end" in line for line in REPORT.answers(study.tables).overview)


def test_few_sets_judge_no_order() -> None:
    study = Invented()
    study.libsvm({name: SETS[name] for name in ("iris", "wine")})
    said = [line for line in REPORT.answers(study.tables).overview if "the paper's order" in line]
    assert all("is not judged by the" in line for line in said)
    found = [one for one in acceptance.criteria(study.tables) if not one.asked]
    assert {one.why_open for one in found} == {"2 sets, at least 5 decide"}


def test_failed_units_are_counted() -> None:
    whole = scaling_tables(parts=["operations"])
    units = whole.units
    status = units["status"].mask(units["index"] == 0, "failed")
    broken = replace(whole, frames=whole.frames | {"units": units.assign(status=status)})
    assert REPORT.answers(broken).work[0].startswith("18 units (1 failed)")
    table1 = next(table for table in REPORT.tables if table.name == "table1").tabulate(broken)
    assert "Left out: 1 failed unit." in table1.remarks
    assert len(table1.sections[0][1]) == 17


def test_an_empty_study_has_answers_and_says_what_is_missing() -> None:
    empty = Invented().tables
    assert REPORT.answers(empty).work == ["0 units (0 failed), 0 s one after the other"]
    for entry in REPORT.tables:
        with pytest.raises(MissingRecordsError, match=r"^no "):
            entry.tabulate(empty)
    for figure in REPORT.figures:
        with pytest.raises(MissingRecordsError, match=r"^no "):
            figure.draw(empty)
