"""Figures, tables and answers of a study of moments, from invented rows that follow the paper's laws."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.moments import beside_paper, figure2, paper, pathologies, theorems
from distnlc.analysis.moments.figures import FAMILIES
from distnlc.analysis.moments.parts import Part, parts_of
from distnlc.analysis.moments.report import REPORT
from distnlc.analysis.tables import Tables
from distnlc.records import FAILED
from tests.helpers.synthetic_moments import QUICK, moments_tables

FIGURES = {figure.name: figure for figure in REPORT.figures}


@pytest.fixture(scope="module")
def quick() -> Tables:
    return moments_tables(*QUICK)


@pytest.fixture(scope="module")
def small() -> Tables:
    """A part of each net and another of each."""
    return moments_tables("Fig3-thin", "FC2", "Fig4-thin", "FC3-64", "Fig5-thin", "FC4", simulations=20)


def part_of(tables: Tables, name: str) -> Part:
    return next(part for part in parts_of(tables) if part.name == name)


def changed(tables: Tables, **columns: object) -> Tables:
    return replace(tables, frames=tables.frames | {"layers": tables.layers.assign(**columns)})


def test_values_are_placed_by_simulation_and_layer_whatever_the_order_of_rows(quick: Tables) -> None:
    shuffled = quick.layers.sample(frac=1, random_state=0)
    other = replace(quick, frames=quick.frames | {"layers": shuffled})
    for part, same in zip(parts_of(quick), parts_of(other), strict=True):
        assert part.values("chi").shape == (30, part.layers.size)
        assert np.array_equal(part.values("chi"), same.values("chi"))
    rows = quick.layers[(quick.layers["part"] == "FC2") & (quick.layers["simulation"] == 7)]
    assert part_of(quick, "FC2").values("chi")[7].tolist() == rows.sort_values("layer")["chi"].tolist()


def test_parts_come_in_the_paper_s_order_and_one_s_own_at_the_end() -> None:
    tables = moments_tables("mine", "FC4", "FC2", "Fig3-thin", "Fig3", simulations=3)
    assert [part.name for part in parts_of(tables)] == ["Fig3", "Fig3-thin", "FC2", "FC4", "mine"]
    assert part_of(tables, "mine").differences == []
    assert part_of(tables, "Fig3-thin").differences == ["width 64 instead of 512"]


def test_images_that_are_not_the_paper_s_are_a_difference_where_the_spec_tells() -> None:
    tables = moments_tables("FC2", "FC4", simulations=3)
    spec = {"data": {"train": 10_000, "crop": 0, "preparation": "raw"}, "parts": {"FC2": {"data": {"crop": 16}}}}
    cropped, whole = parts_of(replace(tables, spec=spec))
    assert cropped.differences == ["crops of 16 x 16 instead of whole images"]
    assert whole.differences == []  # fewer images to draw from are the same sort of images
    (prepared, _) = parts_of(replace(tables, spec={"data": {"preparation": "features"}}))
    assert prepared.differences == ["preparation features instead of raw"]


def test_a_part_of_which_all_blocks_failed_is_no_part(quick: Tables) -> None:
    blocks = quick.blocks.assign(status=quick.blocks["status"].mask(quick.blocks["part"] == "FC3-64", FAILED))
    left = quick.layers[quick.layers["part"] != "FC3-64"]
    some = replace(quick, frames={"blocks": blocks, "layers": left})
    assert [part.name for part in parts_of(some)] == ["FC2", "FC4"]
    with pytest.raises(MissingRecordsError, match="no simulation of a network batch norm"):
        FIGURES["figure4"].draw(some)
    assert REPORT.answers(some).work[0].startswith("9 units (3 failed), 60 simulations")


def test_a_study_of_three_parts_shows_each_once_and_no_complements(quick: Tables) -> None:
    for name, figure in FIGURES.items():
        if name.endswith("_others"):
            with pytest.raises(MissingRecordsError, match="but FC"):
                figure.draw(quick)
        else:
            drawn = figure.draw(quick)
            assert drawn.caption.startswith("FC")
            assert len(drawn.figure.axes) == (2 if name in {"figure2", "figure3"} else 4)


def test_complements_are_small_multiples_of_the_other_parts(small: Tables) -> None:
    for family in FAMILIES:
        large, others = family.parts(small)
        assert large.name == f"Fig{family.number}-thin"
        (other,) = others
        drawn = FIGURES[f"figure{family.number}_others"].draw(small)
        assert len(drawn.figure.axes) == len(family.panels)
        assert drawn.figure.texts[0].get_text().startswith(f"{other.name}: ")
        assert drawn.table is not None
        assert {name.partition(":")[0] for name in drawn.table.index} == {other.name}


def test_a_band_is_the_middle_of_the_simulations(quick: Tables) -> None:
    (axes, *_) = FIGURES["figure3"].draw(quick).figure.axes
    values = part_of(quick, "FC2").values("delta_chi")
    line = next(line for line in axes.lines if line.get_label() == "δχ")
    assert np.allclose(line.get_ydata(), values.mean(axis=0))
    (band,) = axes.collections
    edges = band.get_paths()[0].vertices[:, 1]
    assert edges.max() == pytest.approx(np.percentile(values, 84, axis=0).max())
    assert edges.min() == pytest.approx(np.percentile(values, 16, axis=0).min())


def test_figure_2_compares_the_variance_with_theory() -> None:
    tables = moments_tables("FC1", simulations=400)
    drawn = FIGURES["figure2"].draw(tables)
    assert drawn.table is not None
    row = drawn.table.loc["FC1: log ν₂(x), l = 200"]
    assert row["5 l / width"] == "7.81"
    assert 0.8 < float(row["variance / theory"]) < 1.2
    assert re.fullmatch(r"[+-]0\.\d\d ± 0\.12", row["skew"])
    ratios = figure2.variance_ratios(part_of(tables, "FC1"))
    assert [one.value for one in ratios] == pytest.approx([1] * 4, abs=0.2)
    assert all(one.low < one.value < one.high for one in ratios)
    assert "below theory's" not in figure2.spread(part_of(tables, "FC1"))
    narrow = changed(tables, log_second_moment_signal=tables.layers["log_second_moment_signal"] / 2)
    assert ", below theory's" in figure2.spread(part_of(narrow, "FC1"))
    skewed = changed(tables, log_second_moment_signal=np.exp(tables.layers["log_second_moment_signal"] / 3))
    assert "beyond are skew" in figure2.remarks([part_of(skewed, "FC1")])[0]
    assert drawn.remarks[0].startswith(("15 of 16 skews", "16 of 16 skews"))


def test_figure_5_has_both_powers_and_says_how_they_differ(quick: Tables) -> None:
    drawn = FIGURES["figure5"].draw(quick)
    labels = [line.get_label() for line in drawn.figure.axes[1].lines]
    assert labels[-2:] == ["τ of the increment", "τ fitted freely"]
    said = drawn.remarks[0]
    assert "(paper: d = 1.2321, τ = 0.6523, constant 0.613)" in said
    assert "τ = (d⁴ - 1) / 2 = 0.64" in said
    assert "stay unexplained" in said  # these rows are the power itself, not the theorem's product
    units = quick.layers["layer"].to_numpy()
    product = paper.sensitivity_by_units(1.23, 200)[units - 1]
    noise = np.exp(0.05 * np.random.default_rng(0).normal(size=30))[quick.layers["simulation"]]
    own = FIGURES["figure5"].draw(changed(quick, chi=product * noise)).remarks[0]
    assert "the rest is within the interval" in own


def test_a_stated_value_is_compared_in_standard_errors_of_both_sides(quick: Tables) -> None:
    part = part_of(quick, "FC2")
    (one,) = [one for one in beside_paper.compared(part) if one.layer == 2 and "rank" in one.what]
    values = part.values("rank_signal")[:, 0]
    own, theirs, rounding = values.std(ddof=1) / 30**0.5, (6.4 - 4.6) / 2 / 200**0.5, 0.001 / 12**0.5
    assert one.stated == "5.558"
    assert one.error == pytest.approx(own)
    assert one.difference == pytest.approx((values.mean() - 5.558) / (own**2 + theirs**2 + rounding**2) ** 0.5)


def test_values_that_are_the_paper_s_agree_and_others_are_named() -> None:
    tables = moments_tables("FC2", simulations=50)
    layers, stated = tables.layers, {"chi": 2.0, "rank_signal": 2.0, "delta_chi": 1.05}
    noise = 1 + 0.01 * np.random.default_rng(0).normal(size=len(layers))
    drawn = {name: noise * value for name, value in stated.items()}
    for name in stated:
        for layer, value in paper.MEANS["FC2"][name].items():
            drawn[name] = np.where(layers["layer"] == layer, noise * float(value), drawn[name])
    (agreeing,) = beside_paper.agreements(changed(tables, **drawn))
    assert len(agreeing.near) == len(agreeing.known) == 18
    assert beside_paper.agreeing([agreeing]) == [
        "18 of 18 stated values (100.0%) of FC2 lie within 3 standard errors of the measured ones, none beyond 5."
    ]
    off = np.where(layers["layer"] == 200, 1.1 * drawn["chi"], drawn["chi"])
    first, second = beside_paper.agreeing(beside_paper.agreements(changed(tables, **(drawn | {"chi": off}))))
    assert first.startswith("17 of 18 stated values (94.4%)")
    assert "1 beyond 5" in first
    assert "normalized sensitivity at l = 200 of FC2 (+" in second
    assert "unexplained" in second


def test_other_inputs_and_values_read_off_figures_are_not_counted() -> None:
    tables = moments_tables("FC2", "Fig3", simulations=5, FC2={"input": "gaussian-images"})
    said = beside_paper.agreeing(beside_paper.agreements(tables))
    assert said[0].startswith("Not counted: FC2, with ")
    assert "another setting (input gaussian-images instead of cifar10)" in said[0]
    assert said[1] == "Values of Fig3 were read off figures, so that their error is unknown."
    with pytest.raises(MissingRecordsError):
        beside_paper.tabulate(moments_tables("mine", simulations=3))


def test_each_net_shows_the_pathology_that_it_has(quick: Tables) -> None:
    vanilla, bn_ff, bn_res = pathologies.found(quick)
    assert vanilla.shown == ["one-dimensional signal"]
    assert bn_ff.shown == ["exploding sensitivity"]
    assert bn_res.shown == []
    assert (bn_ff.collapses, bn_res.collapses) == ("no", "no")
    assert bn_ff.signal == pytest.approx(1 - 1 / np.pi)
    assert np.exp(bn_ff.growth.value) == pytest.approx(1.23)
    assert pathologies.decibels(bn_ff.growth.value) == pytest.approx(1.798, abs=1e-3)
    frame = pathologies.tabulate(quick).sections[0][1]
    assert frame.loc["FC3-64", "paper"] == "1.2294"
    assert frame["exploding"].tolist() == ["no", "yes", "no"]


def test_a_collapse_is_told_by_what_chi_and_the_log_moments_say_together(quick: Tables) -> None:
    """mu2(x) / nu2(x) = mu2(dx) / chi^2 / nu2(x): here 1 / (1 + l / 20), until it is made to fall by e^(-l / 20)."""
    assert pathologies.pathologies_of(part_of(quick, "FC2")).signal == pytest.approx(1 / 11)
    fallen = changed(quick, log_variance_noise=quick.layers["log_variance_noise"] - quick.layers["layer"] / 20)
    one = pathologies.pathologies_of(part_of(fallen, "FC2"))
    assert one.signal == pytest.approx(np.exp(-10) / 11)
    assert one.shown == ["zero-dimensional signal", "one-dimensional signal"]


def test_a_rank_near_the_limit_is_left_open_where_its_interval_has_both_sides(quick: Tables) -> None:
    ranks = {"low": 1.3, "wide": 1.3, "high": 1.7}
    noise = {"low": 0.1, "wide": 2.0, "high": 0.1}
    found = {}
    for name, rank in ranks.items():
        drawn = rank + noise[name] * np.random.default_rng(0).normal(size=30)[quick.layers["simulation"]]
        found[name] = pathologies.pathologies_of(part_of(changed(quick, rank_signal=drawn), "FC2"))
    assert {name: one.one_dimensional for name, one in found.items()} == {
        "low": "yes",
        "wide": "undecided",
        "high": "no",
    }
    assert found["wide"].left_open == ["one-dimensional signal"]
    assert "one-dimensional signal left open (FC2)" in pathologies.verdicts([found["wide"]])[0]


@pytest.mark.parametrize("depth", [4, 20])
def test_a_network_of_few_layers_is_not_called_unexplained(depth: int) -> None:
    tables = moments_tables("FC2", depth=depth)
    flat = changed(tables, rank_signal=tables.layers["rank_signal"] + 1)
    assert f"after {depth} layers: not deep enough to tell" in REPORT.answers(flat).parts[0].sentences[1]


def test_a_rank_that_goes_on_to_fall_is_not_called_unexplained() -> None:
    tables = moments_tables("FC2", depth=60)
    rank = 1 + 60 / tables.layers["layer"] + 0.01 * np.random.default_rng(0).normal(size=len(tables.layers))
    assert "not deep enough to tell" in REPORT.answers(changed(tables, rank_signal=rank)).parts[0].sentences[1]


def test_increments_are_near_1_where_their_interval_is(quick: Tables) -> None:
    spread = np.random.default_rng(0).normal(size=30)[quick.layers["simulation"]]
    for deviation, said in ((0.001, "in 1 of 1 parts"), (0.2, "undecided, since the interval is wider: FC2")):
        sentences = REPORT.answers(changed(quick, delta_chi=1 + deviation * spread)).parts[0].sentences
        assert any("δχ lies within 0.02 of 1" in sentence and said in sentence for sentence in sentences)


def test_one_simulation_judges_no_theorem() -> None:
    found = theorems.every(moments_tables(*QUICK, simulations=1))
    assert found
    assert theorems.verdicts(found) == []


def test_only_the_factor_that_theorem_3_predicts_is_counted(quick: Tables) -> None:
    (said,) = theorems.verdicts(theorems.tested(part_of(quick, "FC3-64")))
    assert said.startswith("Theorem 3: at 100 of 100 layers the means over 30 simulations of predicted and measured")
    assert " increments of the activation agree within" in said


def test_theorems_are_judged_by_means_and_by_single_simulations(quick: Tables) -> None:
    (one,) = theorems.tested(part_of(quick, "FC2"))
    measured, predicted = (part_of(quick, "FC2").values(name) for name in ("delta_chi", "delta_chi_predicted"))
    off = abs(predicted / measured - 1)
    assert one.overall == pytest.approx(np.median(off))
    assert one.worst == pytest.approx(off.max())
    assert not one.off.any()
    assert theorems.verdicts([one])[0].startswith("Theorem 2: at 100 of 100 layers")
    *_, of_activation = theorems.tested(part_of(quick, "FC3-64"))
    assert of_activation.of_means == pytest.approx([0.0005] * 100)  # far beyond its error, but small
    assert not of_activation.off.any()
    shifted = quick.layers["delta_chi_predicted"] * np.where(quick.layers["layer"] > 100, 1.05, 1)
    (one,) = theorems.tested(part_of(changed(quick, delta_chi_predicted=shifted), "FC2"))
    assert one.off.sum() == 50
    assert "at 50 of 100 layers, by +5" in theorems.verdicts([one])[0]


def test_answers_follow_from_the_rows(quick: Tables) -> None:
    said = REPORT.answers(quick)
    assert said.work == ["9 units (0 failed), 90 simulations, 27 s one after the other"]
    titles = [part.title for part in said.parts]
    assert titles == [
        "Networks without normalization",
        "Networks with batch norm",
        "Networks with batch norm and residual units",
        "Beside the paper",
    ]
    assert said.overview[1] == "Networks with batch norm: 1 of 1 parts show one pathology, exploding sensitivity."
    flat = changed(quick, rank_signal=quick.layers["rank_signal"] + 1)
    assert "in 0 of 1 parts" in REPORT.answers(flat).parts[0].sentences[0]
    assert "FC2 keeps an effective rank of 2.0" in REPORT.answers(flat).parts[0].sentences[1]
    assert REPORT.answers(flat).parts[0].sentences[1].endswith("unexplained.")


def test_a_rank_that_stays_up_at_an_edge_of_zeros_is_explained() -> None:
    tables = moments_tables("S3", simulations=5)
    flat = changed(tables, rank_signal=tables.layers["rank_signal"] + 1)
    assert "explained by its edge of zeros" in REPORT.answers(flat).parts[0].sentences[1]
    blocks = flat.blocks.assign(kernel=1)  # a fully-connected network has no edge
    connected = replace(flat, frames=flat.frames | {"blocks": blocks})
    assert REPORT.answers(connected).parts[0].sentences[1].endswith("unexplained.")


def test_a_study_without_a_finished_simulation_answers_too(quick: Tables) -> None:
    empty = replace(quick, frames={name: frame.iloc[:0] for name, frame in quick.frames.items()})
    assert REPORT.answers(empty).parts == []
    for shown in (*(figure.draw for figure in REPORT.figures), *(table.tabulate for table in REPORT.tables)):
        with pytest.raises(MissingRecordsError):
            shown(empty)


def test_a_single_simulation_has_values_and_no_intervals() -> None:
    tables = moments_tables(*QUICK, simulations=1)
    for figure in ("figure3", "figure4", "figure5"):
        FIGURES[figure].draw(tables)
    frames = [table.tabulate(tables).sections[0][1] for table in REPORT.tables]
    assert all(isinstance(frame, pd.DataFrame) for frame in frames)
    said = REPORT.answers(tables)
    assert said.work[0].startswith("3 units")
    assert all(line.endswith("undecided: " + name + ".") for line, name in zip(said.overview, QUICK, strict=True))
    everything = " ".join(sentence for part in said.parts for sentence in part.sentences)
    assert "Means without a standard error, since one simulation is finished: FC2, FC3-64 and FC4." in everything
    assert "read off" not in everything
    assert "FC4: a power law needs 2 simulations" in everything
    assert "explodes in" not in everything


def test_what_few_layers_leave_open_is_not_called_well_behaved() -> None:
    tables = moments_tables("FC4", depth=4)
    assert (
        REPORT.answers(tables)
        .overview[0]
        .endswith("0 of 1 parts show none of the three pathologies; too few layers or simulations, or undecided: FC4.")
    )
    (verdict,) = pathologies.verdicts(pathologies.found(tables))
    assert verdict.endswith("none of the other pathologies, exploding sensitivity left open (FC4).")
