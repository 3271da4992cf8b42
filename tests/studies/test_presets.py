"""Named studies and study files become checked specs; the paper's study has the paper's size."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from distnlc.plugins import kind_of, loaded
from distnlc.search import wave_sizes
from distnlc.spec import SpecError, StudySpec, Unit, spec_id
from distnlc.studies import presets, resolve
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import units

SUMMARIES = {name: summary for named in presets().values() for name, summary in named.items()}
PRESETS = list(SUMMARIES)
PAPER_PARTS = {"cifar10": 250, "mnist": 250, "waveform": 250, "waveform-adam": 250, "waveform-training-error": 50}


@cache
def named(preset: str) -> StudySpec:
    """The study of that name, which takes long to read where it has many parts."""
    return resolve(preset)


@cache
def units_of(preset: str) -> list[Unit]:
    """Its units, hundreds of which are drawn."""
    return loaded(kind_of(named(preset).kind).units)(named(preset))


def spec_of(source: str, *assignments: str) -> Spec:
    spec = resolve(source, assignments) if assignments or source.endswith("ml") else named(source)
    assert isinstance(spec, Spec)
    return spec


def drawn(unit: Unit) -> str:
    """The architecture in words, without the name of the part."""
    return unit.label.split(": ", 1)[1]


def runs(spec: Spec) -> int:
    return sum(sum(wave_sizes(spec.part(unit.part).search)) for unit in units(spec))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "sensitivity")) for name in PRESETS]
)
def test_every_preset_resolves_says_what_it_is_and_has_units(name: str) -> None:
    spec, found = named(name), units_of(name)
    assert spec.name == name
    assert spec.summary == SUMMARIES[name]
    assert 10 < len(spec.summary) < 160
    assert "\n" not in spec.summary
    assert len({unit.unit_id for unit in found}) == len(found)
    assert all(unit.cost > 0 for unit in found)


def test_the_named_studies_all_differ() -> None:
    assert len({spec_id(named(name)) for name in PRESETS}) == len(PRESETS)


def test_the_paper_has_1050_units_and_43000_runs() -> None:
    paper = spec_of("paper")
    found = units_of("paper")
    assert Counter(unit.part for unit in found) == PAPER_PARTS
    assert len(found) == len({unit.unit_id for unit in found}) == 1_050
    assert runs(paper) == 43_000
    assert all(paper.part(part).sampling.parameters == 1_000_000 for part in PAPER_PARTS)


def test_the_papers_variants_differ_in_what_section_e2_says() -> None:
    paper = spec_of("paper")
    usual, adam, training_error = (paper.part(f"waveform{kind}") for kind in ("", "-adam", "-training-error"))
    assert (usual.training.optimizer, usual.training.criterion) == ("sgd", "validation-error")
    assert (usual.search.rates, usual.search.smallest_update) == (40, 1e-8)
    assert adam.training.optimizer == "adam"
    assert (training_error.training.criterion, training_error.search.rates) == ("training-error", 60)
    assert training_error.search.smallest_update == 1e-16


@pytest.mark.parametrize("name", list(PAPER_PARTS))
def test_a_part_of_the_paper_is_the_study_of_that_name(name: str) -> None:
    """The same units, so that their records can be laid together."""
    of_the_paper = [unit.unit_id for unit in units_of("paper") if unit.part == name]
    assert of_the_paper == [unit.unit_id for unit in units_of(name)]


def test_adam_and_training_error_study_the_architectures_of_the_main_study() -> None:
    main = [drawn(unit) for unit in units_of("waveform")]
    assert [drawn(unit) for unit in units_of("waveform-adam")] == main
    assert [drawn(unit) for unit in units_of("waveform-training-error")] == main[:50]
    assert [drawn(unit) for unit in units_of("mnist")] != main


def test_the_refined_small_study_has_the_architectures_of_the_small_one_and_a_quarter_of_its_cost() -> None:
    grid, refined = units_of("waveform-small"), units_of("waveform-small-refined")
    assert [drawn(unit) for unit in refined] == [drawn(unit) for unit in grid]
    assert {unit.unit_id for unit in refined}.isdisjoint(unit.unit_id for unit in grid)
    assert 0.2 < sum(unit.cost for unit in refined) / sum(unit.cost for unit in grid) < 0.3


def test_unit_ids_do_not_change_when_there_are_more_architectures() -> None:
    assert units(spec_of("waveform", "sampling.count=300"))[:250] == units_of("waveform")


def test_other_specs_have_other_units() -> None:
    usual = {unit.unit_id for unit in units_of("quick")}
    for assignment in ("seed=1", "training.divisor=2", "sampling.depth_max=9", "data.train=500", "dtype=float32"):
        assert usual.isdisjoint(unit.unit_id for unit in units(spec_of("quick", assignment)))
    elsewhere = units(spec_of("quick", "data.root=/data", "name=mine"))
    assert usual == {unit.unit_id for unit in elsewhere}


def test_a_preset_with_assignments() -> None:
    spec = spec_of("quick", "data.train=500", "sampling.count=2", "sampling.count=3")
    assert (spec.data.train, spec.sampling.count) == (500, 3)
    with pytest.raises(SpecError, match="quick: unknown field 'speed'; known here: data, dtype"):
        resolve("quick", ["speed=3"])


def test_an_unknown_preset_is_answered_with_those_there_are() -> None:
    with pytest.raises(SpecError) as caught:
        resolve("quik")
    assert str(caught.value) == (
        f"no preset named 'quik' (presets: {', '.join(PRESETS)}); a study file's name ends in .yaml"
    )
    with pytest.raises(SpecError, match="no preset named"):
        resolve("../presets/quick")


@pytest.mark.parametrize("ending", ["yaml", "yml"])
def test_a_study_file_is_named_by_itself_or_by_its_file(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{ending}"
    path.write_text("kind: nlc\nsampling: {count: 3}\n")
    assert spec_of(str(path)) == Spec.parse({"name": "mine", "sampling": {"count": 3}})
    path.write_text("kind: nlc\nname: other\n")
    assert spec_of(str(path)).name == "other"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"mine\.yaml: cannot read the study file: No such file or directory"),
        (b"\xff\xfe\x00\x80", r"mine\.yaml: cannot read the study file: expected text in UTF-8"),
        (b"- kind: nlc\n", r"mine\.yaml: expected a mapping of fields, but got list"),
        (b"seed: 3\n", r"mine\.yaml: the field 'kind' is missing; kinds: .*nlc, "),
        (b"kind: none-such\n", "unknown study kind 'none-such'; there are: .*nlc, .*--plugin"),
    ],
)
def test_a_study_file_that_is_none_is_told_so(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError, match=said):
        resolve(str(path))
