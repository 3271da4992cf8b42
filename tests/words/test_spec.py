"""Specs check themselves, say what is wrong, and are read and changed as YAML."""

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import pytest

from distnlc.spec import (
    SpecError,
    assign,
    read_yaml,
    spec_id,
    to_yaml,
)
from distnlc.studies import from_fields, resolve
from distnlc.studies.nlc.spec import SamplingSpec, Spec
from tests.helpers.spec_fields import CHANGED, TOGETHER, changed

# what is refused


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"dataa": 1},
            "unknown field 'dataa'; known here: data, dtype, kind, metrics, name, parts, sampling, search, seed, "
            "summary, train_if, training, version",
        ),
        (
            {"data": {"nmae": "mnist"}},
            "unknown field 'data.nmae'; known here: crop, file, first, labels, name, preparation, preparation_version, "
            "root, separation, shape, source_version, test, train, validation",
        ),
        (
            {"training": {"batch_size": "many"}},
            "'training.batch_size': Input should be a valid integer, unable to parse string as an integer, "
            "but got 'many'",
        ),
        (
            {"data": {"name": "svhn"}},
            "'data.name': expected a dataset: waveform-noise, waveform-uci, mnist, fashion-mnist, cifar10, cifar100, "
            "libsvm/NAME, gaussian-images, clusters, npz (the module of another is named by --plugin or "
            "DISTNLC_PLUGINS), but got 'svhn'",
        ),
        ({"parts": {"mnist": {"data": {"nmae": "mnist"}}}}, "part mnist: unknown field 'data.nmae'"),
        ({"parts": {"mnist": {"seed": 3}}}, "part 'mnist' sets ['seed'], which a part cannot"),
        ({"metrics": {"extra": [{"name": "a", "version": "1"}] * 2}}, "expected each metric once, found a, a"),
        (
            {"metrics": {"groups": ["moments"] * 2}},
            "'metrics.groups': expected each group once, found moments, moments",
        ),
        (
            {"metrics": {"groups": ["speed"]}},
            "'metrics.groups': there is no group 'speed'; there are: moments, gradients, sensitivity, scaling, "
            "zero-cost, size, ntk",
        ),
        (
            {"metrics": {"extra": ["mine"]}},
            "'metrics.extra.0': there is no metric 'mine' here; there are: none (the mod",
        ),
        (
            {"sampling": {"family": "mine"}},
            "'sampling.family': there is no family 'mine' here; there are: none (the mod",
        ),
        ({"sampling": {"size": {"width": 3}}}, "size is what a family takes, and no family is named"),
        (
            {"sampling": {"family": TOGETHER["sampling.family"], "initializations": 2}},
            "initializations must be 1 with a family, whose seed fixes the initial weights together with the arch",
        ),
        ({"search": {"rungs": [5, 5]}}, "'search.rungs': epochs must rise, such as [5, 20, 40], but got [5, 5]"),
        (
            {"search": {"method": "refine", "rates": 10, "coarse": 5, "wave": 3, "waves": 2}},
            "coarse + wave * waves <= rates must hold, but got 5 + 3 * 2 > 10",
        ),
    ],
)
def test_a_mistake_says_where_what_was_expected_and_what_was_found(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        Spec.parse(fields, where="study.yaml")
    assert str(caught.value).startswith("study.yaml: ")
    assert said in str(caught.value)


def test_every_wrong_field_gets_its_own_line() -> None:
    with pytest.raises(SpecError) as caught:
        Spec.parse({"seed": -1, "search": {"rates": 1, "speed": 3}}, where="study.yaml")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["study.yaml"] * 3


ABOVE_0 = "data.train sampling.count training.batch_size training.first_patience training.patience training.population"
ABOVE_0 += " search.smallest_update search.coarse search.wave metrics.nlc_batches metrics.walk_inputs"
FROM_0 = "seed training.divisions search.edge search.waves metrics.walk_batches"
ABOVE_1 = "search.factor training.divisor"


@pytest.mark.parametrize(
    ("paths", "refused"), [(ABOVE_0, (0, -1)), (FROM_0, (-1,)), (ABOVE_1, (1.0, math.inf, math.nan))]
)
def test_numbers_have_bounds_and_are_finite(paths: str, refused: tuple[float, ...]) -> None:
    for path in paths.split():
        changed(path, CHANGED[path])
        for value in refused:
            with pytest.raises(SpecError, match=rf"'{path}': Input should be .*but got {value}"):
                changed(path, value)


@pytest.mark.parametrize("fields", [{"depth_min": 4}, {"depth_max": 10}, {"depth_min": 9, "depth_max": 7}])
def test_depths_must_be_odd_and_ordered(fields: dict[str, int]) -> None:
    with pytest.raises(SpecError, match=r"depth_min <= depth_max must hold and both must be odd .* but got depth_min="):
        SamplingSpec.parse(fields)


# --set and YAML


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("seed=3", {"seed": 3}),
        ("data.name=mnist", {"data": {"name": "mnist"}}),
        ("data.root=/a=b/c", {"data": {"root": "/a=b/c"}}),
        ("search.factor=2.5", {"search": {"factor": 2.5}}),
        (" seed = 3", {"seed": 3}),
        ("data.train=", {"data": {"train": None}}),
        ("parts={a: {data: {name: mnist}}}", {"parts": {"a": {"data": {"name": "mnist"}}}}),
        ("data=name: mnist", {"data": {"name": "mnist"}}),
        ("search.rungs=[5, 20]", {"search": {"rungs": [5, 20]}}),
        ("name=a #b", {"name": "a #b"}),
        ("name=#1: first", {"name": "#1: first"}),
        ("name='1'", {"name": "1"}),
        ("data.root=C:", {"data": {"root": "C:"}}),
        ("data.root=@here", {"data": {"root": "@here"}}),
    ],
)
def test_set_reads_its_value_as_yaml(assignment: str, expected: dict[str, Any]) -> None:
    assert assign({}, assignment) == expected


@pytest.mark.parametrize(
    "name", ["1", "010", "1e-3", "0o17", "2024-05-01", "1:30", "a #b", "yes", "off", "1_000", "=", "<<", "a: b c"]
)
def test_a_name_is_what_was_typed_whatever_it_looks_like(name: str) -> None:
    assert resolve("quick", [f"name={name!r}" if ": " in name else f"name={name}"]).name == name
    again = from_fields(read_yaml(to_yaml(Spec(name=name)), where="text"), where="text")
    assert (again.name, again) == (name, Spec(name=name))


def test_parts_may_be_named_by_numbers_and_keep_their_spelling_in_every_process() -> None:
    text = "kind: nlc\nparts:\n  010: {dtype: float32}\n  1e-3: {training: {patience: 0o17}}\n"
    spec = from_fields(read_yaml(text, where="text"), where="text")
    assert list(spec.parts) == ["010", "1e-3"]
    assert spec.part("1e-3").training.patience == 15
    for again in (
        pickle.loads(pickle.dumps(spec)),
        copy.deepcopy(spec),
        from_fields(read_yaml(to_yaml(spec), where="text"), where="text"),
    ):
        assert (again, spec_id(again)) == (spec, spec_id(spec))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("08", 8),
        ("+5", 5),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-3", 0.001),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("true", True),
        ("~", None),
        *((word, word) for word in ("1:30", "2024-05-01", "1_000", "0b1", "yes", "no", "on", "off", "NaN", "<<", "=")),
    ],
)
def test_numbers_and_words_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    for found in (read_yaml(f"a: {text}", where="text")["a"], assign({}, f"a={text}")["a"]):
        assert found == value
        assert isinstance(found, type(value))


@pytest.mark.parametrize("text", ["a: 1\na: 2", "b: {a: 1, a: 1}", "1: x\n'1': y", "8: x\n08: y", "- {? a, ? a}"])
def test_a_key_that_stands_there_twice_is_refused(text: str) -> None:
    with pytest.raises(
        SpecError, match=r"^here.yaml: not readable as YAML: the key '(a|1|08)' stands there twice .*line"
    ):
        read_yaml(text, where="here.yaml")


@pytest.mark.parametrize(("text", "found"), [("5,20", r"\[5, 20\], but got '5,20'"), ("5", r"\[5\], but got 5")])
def test_a_list_without_brackets_is_told_what_to_write(text: str, found: str) -> None:
    with pytest.raises(SpecError, match=rf"'search.rungs': expected a list, such as {found}"):
        resolve("quick", [f"search.rungs={text}"])


def test_a_study_file_may_end_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "MINE.YAML").write_text("kind: nlc\nname: 1\n")
    assert resolve(str(tmp_path / "MINE.YAML")).name == "1"


def test_set_reads_small_numbers_in_every_spelling() -> None:
    for text in ("1e-8", "1.0e-8", "1E-8", "0.00000001"):
        assert Spec.parse(assign({}, f"search.smallest_update={text}")) == Spec()


def test_set_changes_one_field_and_leaves_its_neighbours_and_the_callers_mapping() -> None:
    fields = {"data": {"name": "mnist", "train": 500}, "seed": 2}
    assert assign(fields, "data.train=1000") == {"data": {"name": "mnist", "train": 1000}, "seed": 2}
    assert fields == {"data": {"name": "mnist", "train": 500}, "seed": 2}


@pytest.mark.parametrize("assignment", ["seed", "data.name mnist", "=3", ""])
def test_set_without_a_field_and_a_value_is_refused(assignment: str) -> None:
    with pytest.raises(SpecError, match=rf"--set {assignment}: expected field=value, such as data.root=/data"):
        assign({}, assignment)


def test_set_with_a_value_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(SpecError, match=r"--set data=\{a: the value is not readable as YAML"):
        assign({}, "data={a")


def test_a_spec_survives_its_own_yaml() -> None:
    spec = Spec.parse({path: value for path, value in CHANGED.items() if "." not in path} | {"name": "mine"})
    again = from_fields(read_yaml(to_yaml(spec), where="text"), where="text")
    assert again == spec
    assert spec_id(again) == spec_id(spec)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- a\n- b", "expected a mapping of fields, but got list"),
        ("", "expected a mapping of fields, but got NoneType"),
        ("a: [1", "not readable as YAML"),
        ("a: !!python/object/apply:os.getcwd []", "not readable as YAML"),
    ],
)
def test_yaml_that_is_no_mapping_of_plain_data_is_refused(text: str, found: str) -> None:
    with pytest.raises(SpecError, match=f"here.yaml: {found}"):
        read_yaml(text, where="here.yaml")
