"""`train_if` and repeated initializations: what is skipped, what stays the same, what an id depends on."""

from dataclasses import asdict
from pathlib import Path

import pytest

from distnlc.plugins import Work
from distnlc.records import Records
from distnlc.spec import SpecError, Unit
from distnlc.studies import resolve
from distnlc.studies.nlc import unit as nlc
from distnlc.studies.nlc.records import ArchitectureRow
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.studies.nlc.train_if import parse_train_if
from distnlc.studies.nlc.units import units
from tests.helpers.small_studies import TINY_NLC


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1.0, None),
        (5.0, None),
        (5.001, "is 5.001"),
        (0.5, "is 0.5"),
        (float("inf"), "is inf"),
        (float("nan"), "is not a number"),
        (None, "was not measured"),
    ],
)
def test_both_ends_belong_to_the_range_and_the_reason_says_what_was_found(value: float | None, why: str | None) -> None:
    reason = parse_train_if("init_nlc  between 1 and 5").why_not({"init_nlc": value})
    assert reason == (why and f"not trained: init_nlc {why}, not between 1 and 5")


def test_conditions_hold_together_and_the_reason_names_all_that_do_not() -> None:
    both = parse_train_if("init_nlc between 1 and 5 and init_bias below 10 and chi above 0.5")
    assert both.why_not({"init_nlc": 1.0, "init_bias": 9.9, "chi": 0.6}) is None
    assert both.why_not({"init_nlc": 6.0, "init_bias": 10.0, "chi": 0.5}) == (
        "not trained: init_nlc is 6, not between 1 and 5; init_bias is 10, not below 10; chi is 0.5, not above 0.5"
    )
    assert both.why_not({"init_nlc": 5.0, "init_bias": float("nan")}) == (
        "not trained: init_bias is not a number, not below 10; chi was not measured, not above 0.5"
    )


def test_infinity_is_above_every_number_and_a_name_may_have_words_of_the_language_in_it() -> None:
    assert parse_train_if("init_nlc above 3").why_not({"init_nlc": float("inf")}) is None
    spaced = parse_train_if("between and below below 3 and depth above 2")
    assert spaced.why_not({"between and below": 2.0, "depth": 3}) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected NAME between LOW and HIGH"),
        ("init_nlc < 5", "expected NAME between LOW and HIGH, NAME below NUMBER or NAME above NUMBER, or several"),
        ("init_nlc below 5 and", "expected NAME between LOW and HIGH"),
        ("init_nlc below 5 or init_bias below 3", "'init_nlc below 5 or init_bias' is not known before training"),
        ("test_error between 0 and 1", "'test_error' is not known before training; what is: depth, "),
        ("activation between 0 and 1", "'activation' is not known"),
        ("init_nlc below 5 and test_error below 1", "'test_error' is not known"),
        ("init_nlc between one and 5", "init_nlc: expected numbers, such as 'init_nlc between 1 and 5 and"),
        ("init_nlc between 5 and 1", "init_nlc: LOW <= HIGH must hold, but got 5 and 1"),
        ("init_nlc between nan and 1", "LOW <= HIGH must hold"),
        ("init_nlc below nan", "LOW <= HIGH must hold, but got nan"),
        ("chi below 3", "'chi' is measured where metrics.groups names moments, which it does not"),
    ],
)
def test_a_filter_that_cannot_be_used_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(SpecError, match="'train_if'") as caught:
        resolve("quick", [f"train_if={text!r}"])
    assert complaint in str(caught.value)


def test_a_filter_needs_what_is_measured() -> None:
    with pytest.raises(SpecError, match=r"'init_local_lipschitz' needs metrics\.walk_batches >= 1"):
        resolve("quick", ["train_if=init_local_lipschitz between 0 and 1", "metrics.walk_batches=0"])


def test_depth_and_width_of_a_family_s_networks_are_known_where_they_are_measured() -> None:
    spec = {"train_if": "depth above 5", "sampling": {"family": {"name": "mine", "version": "1"}}}
    nlc.Spec.parse(spec | {"metrics": {"groups": ["size"]}})
    with pytest.raises(SpecError, match=r"'depth' is measured where metrics\.groups names size, which it does not"):
        nlc.Spec.parse(spec)


def test_a_filter_may_name_metrics_of_the_groups_and_of_one_s_own() -> None:
    own = {"groups": ["moments"], "extra": [{"name": "my metric", "version": "1"}]}
    nlc.Spec.parse({"train_if": "chi below 3 and my metric above 0 and init_nlc below 9", "metrics": own})


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("init_nlc", "'train_if': 'init_nlc' is a column and a metric of your own; give that another name"),
        ("chi", "'metrics.extra': 'chi' is a metric of metrics.groups; give yours another name"),
    ],
)
def test_one_name_is_one_metric(name: str, complaint: str) -> None:
    metrics = {"groups": ["moments"], "extra": [{"name": name, "version": "1"}]}
    with pytest.raises(SpecError, match=complaint):
        nlc.Spec.parse({"train_if": f"{name} below 9", "metrics": metrics})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def rows(cache: Path, *assignments: str) -> list[tuple[Unit, Records]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTNLC_CACHE", str(cache))
        study = resolve("quick", [*TINY_NLC, "sampling.count=2", *assignments])
        assert isinstance(study, nlc.Spec)
        return [(unit, nlc.run(study, unit, Work())) for unit in units(study)]


def drawn_and_measured(row: ArchitectureRow) -> dict[str, object]:
    names = [name for name in asdict(row) if name.startswith(("init_", "activation")) or name in {"depth", "width"}]
    return {name: getattr(row, name) for name in names}


@pytest.mark.slow
def test_a_skipped_architecture_has_the_initial_metrics_of_a_trained_one_and_no_runs(cache: Path) -> None:
    trained = [records["architectures"][0] for _, records in rows(cache)]
    between = min(row.init_nlc for row in trained), sum(row.init_nlc for row in trained) / 2
    filtered = rows(cache, f"train_if=init_nlc between {between[0]} and {between[1]}")
    found = [records["architectures"][0] for _, records in filtered]
    assert sorted(row.status for row in found) == ["ok", "skipped"]
    for row, before, (_, records) in zip(found, trained, filtered, strict=True):
        assert drawn_and_measured(row) == drawn_and_measured(before)
        if row.status == "skipped":
            assert row.reason.startswith("not trained: init_nlc is ")
            assert (row.test_error, row.best_run, row.trained_nlc) == (None, None, None)
            assert [len(records[table]) for table in ("runs", "epochs")] == [0, 0]
        else:
            assert row.test_error == before.test_error


def test_initializations_differ_in_their_weights_alone(cache: Path) -> None:
    once = [records["architectures"][0] for _, records in rows(cache)]
    units, records = zip(*rows(cache, "sampling.initializations=2"), strict=True)
    twice = [each["architectures"][0] for each in records]
    assert [(row.index, row.initialization) for row in twice] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({unit.unit_id for unit in units}) == 4
    assert [row.unit_id for row in twice[::2]] == [row.unit_id for row in once], "more initializations rename none"
    assert [row.test_error for row in twice[::2]] == [row.test_error for row in once]
    for first, second in zip(twice[::2], twice[1::2], strict=True):
        assert (first.depth, first.activation, first.width) == (second.depth, second.activation, second.width)
        assert first.architecture_id != second.architecture_id
        assert first.init_nlc != second.init_nlc


def test_an_initialization_is_fixed_by_its_number() -> None:
    size = {"seed": 3, "d_in": 4, "d_out": 3, "parameters": 300}
    seeds = [sample_architecture(7, **size, initialization=number).seed for number in (0, 1, 2)]
    assert len(set(seeds)) == 3
    assert seeds[0] == sample_architecture(7, **size).seed
    assert sample_architecture(7, **size, initialization=2).seed == seeds[2]
