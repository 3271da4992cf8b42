"""Architectures of a family of the user's own: drawn and built the same in every process, checked before they train."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distnlc import plugins
from distnlc.data.dataset import Dataset
from distnlc.engine.failures import failed_records
from distnlc.plugins import Family
from distnlc.records import FAILED
from distnlc.spec import SpecError
from distnlc.studies.nlc import KIND
from distnlc.studies.nlc.records import ArchitectureRow
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.subject import Subject, subject_of
from distnlc.studies.nlc.unit import _try_family
from distnlc.studies.nlc.units import units

FACTS = {"d_in": 6, "classes": 3, "train": 40}


@dataclass
class Linear:
    """Plain torch, its weights from the global generator."""

    d_in: int
    d_out: int
    properties: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Linear(self.d_in, 5), nn.Tanh(), nn.Linear(5, self.d_out))


def draw(index: int, *, d_in: int, d_out: int, shape: tuple[int, ...], **given: Any) -> Linear:
    size = {name: value for name, value in given.items() if name != "seed"}
    return Linear(d_in, d_out, {"index": index, "drawn": random.random(), "shape": str(shape), **size})


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Spec]:
    """A study of that family; its size may be given."""

    def of(draw: Callable[..., Any] = draw, **sampling: Any) -> Spec:
        monkeypatch.setattr(plugins, "_named", {(Family, "mine"): (Family(name="mine", draw=draw), "test")})
        fields = {"batch_size": 10}
        return Spec.parse({"sampling": {"family": "mine", "count": 3, **sampling}, "training": fields})

    return of


def data(dtype: torch.dtype = torch.float64) -> Dataset:
    inputs = torch.randn(40, 6, dtype=dtype, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(40) % 3
    return Dataset("waveform-noise", 3, inputs, labels, inputs, labels, inputs, labels)


def made(spec: Spec, number: int = 0, dataset: Dataset | None = None) -> Subject:
    return subject_of(spec, units(spec)[number], dataset or data())


def building(build: Callable[..., Any]) -> Callable[..., Any]:
    """A family whose networks are what `build` gives."""

    @dataclass
    class Described:
        d_in: int
        d_out: int
        properties: Mapping[str, Any] = field(default_factory=dict)

        def build(self) -> Any:
            return build(self.d_in, self.d_out)

    return lambda _, *, d_in, d_out, **__: Described(d_in, d_out)


def test_units_are_listed_without_drawing_anything(study: Callable[..., Spec]) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError

    listed = units(study(never))
    assert [unit.label for unit in listed] == [f"study {index}: mine {index}" for index in range(3)]
    assert len({unit.unit_id for unit in listed}) == 3
    assert len({unit.cost for unit in listed}) == 1
    assert units(study(never, parameters=5_000))[0].cost < listed[0].cost


def test_an_architecture_is_the_same_whenever_it_is_made_and_others_differ(study: Callable[..., Spec]) -> None:
    spec = study()
    torch.manual_seed(1)
    first = made(spec)
    torch.manual_seed(2)
    random.seed(2)
    again, other = made(spec), made(spec, 1)
    parameters, repeated, others = (list(each.network.parameters()) for each in (first, again, other))
    assert all(torch.equal(one, two) for one, two in zip(parameters, repeated, strict=True))
    assert not torch.equal(parameters[0], others[0])
    assert [row.value for row in first.properties] == [row.value for row in again.properties]
    assert first.columns["architecture_id"] == again.columns["architecture_id"] != other.columns["architecture_id"]


def test_making_one_leaves_the_generators_as_they_were(study: Callable[..., Spec]) -> None:
    spec = study()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    made(spec)
    assert torch.equal(torch.rand(1), expected)


def test_draw_gets_the_seed_the_dimensions_and_the_fields_of_the_size(study: Callable[..., Spec]) -> None:
    got: dict[str, Any] = {}

    def keeps(index: int, **given: Any) -> Linear:
        got.update(given, index=index)
        return Linear(given["d_in"], given["d_out"])

    made(study(keeps, size={"width": 4, "kinds": ["a", "b"], "rate": 0.5}), 2)
    assert {name: got[name] for name in ("index", "d_in", "d_out", "shape")} == {
        "index": 2, "d_in": 6, "d_out": 3, "shape": (6,)
    }  # fmt: skip
    assert (got["width"], got["kinds"], got["rate"]) == (4, ["a", "b"], 0.5)
    assert isinstance(got["seed"], int)


def test_its_row_has_the_family_s_name_and_neutral_columns(study: Callable[..., Spec]) -> None:
    columns = made(study()).columns
    row = ArchitectureRow(**columns, status="ok", seconds=0.0)
    assert (row.activation, row.depth, row.width, row.normalization, row.skip_strength) == ("mine", 0, 0, "none", 0.0)
    assert row.parameters == 6 * 5 + 5 + 5 * 3 + 3
    assert (row.d_in, row.d_out) == (6, 3)


def test_a_failed_unit_has_the_columns_of_the_same_unit_done(study: Callable[..., Spec]) -> None:
    spec = study()
    unit = units(spec)[1]
    (failed,) = failed_records(KIND, spec, {"study": FACTS}, unit, "because", 1.0, 2)["architectures"]
    columns = made(spec, 1).columns
    assert failed.status == FAILED
    assert {name: getattr(failed, name) for name in columns} == columns


def test_properties_are_numbers_or_texts(study: Callable[..., Spec]) -> None:
    rows = made(study(size={"flag": True, "word": "a", "number": 2})).properties
    found = {row.name: row.text if row.value is None else row.value for row in rows}
    assert {name: found[name] for name in ("flag", "word", "number", "shape")} == {
        "flag": 1.0, "word": "a", "number": 2.0, "shape": "(6,)"
    }  # fmt: skip
    described = Linear(6, 3, {"wrong": [1]})
    with pytest.raises(
        ValueError, match=r"^family mine, architecture 0: property wrong: expected a number or a text, f"
    ):
        made(study(lambda *_, **__: described))


class Widening(nn.Module):
    """One output more for a batch of another length than 10."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.both = nn.ModuleList([nn.Linear(d_in, d_out), nn.Linear(d_in, d_out + 1)])

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.both[int(len(inputs) != 10)](inputs)
        return outputs


class Noise(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + torch.rand_like(inputs)


class Singled(nn.Module):
    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(d_in, d_out)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.linear(inputs).float()
        return outputs


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (
            lambda d_in, d_out: nn.Linear(d_in, d_out + 1),
            r"expected outputs of shape \(10, 3\) and float64, found \(10, 4\)",
        ),
        (Widening, r"expected outputs of shape \(6, 3\) and float64, found \(6, 4\)"),
        (Singled, r"expected outputs of shape \(10, 3\) and float64, found \(10, 3\) and float32"),
        (lambda d_in, d_out: nn.Linear(d_in + 1, d_out), "its network raised RuntimeError: "),
        (lambda *_: nn.Flatten(), "its network has no parameters to train"),
        (lambda *_: "network", r"expected build\(\) to give a torch module, found str"),
        (lambda *_: 1 / 0, "build raised ZeroDivisionError: division by zero"),
        (
            lambda d_in, d_out: nn.Sequential(nn.Linear(d_in, d_out), Noise()),
            "expected the same outputs for the same batch, found others the second time",
        ),
        (
            lambda d_in, d_out: nn.Linear(d_in, d_out).requires_grad_(False),
            "expected all parameters to be trained, but weight has no gradient",
        ),
    ],
)
def test_a_network_that_cannot_be_trained_is_one_clear_line(
    study: Callable[..., Spec], build: Callable[..., Any], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^family mine, architecture 0: {said}"):
        made(study(building(build)))


@pytest.mark.parametrize("given", [None, "text", object()])
def test_a_draw_that_gives_no_description_is_one_clear_line(study: Callable[..., Spec], given: Any) -> None:
    with pytest.raises(ValueError, match=r"^family mine, architecture 0: expected draw to give a description with"):
        made(study(lambda *_, **__: given))


def test_a_wrong_size_is_told_before_any_work(study: Callable[..., Spec]) -> None:
    def narrow(_: int, *, seed: int, d_in: int, d_out: int, shape: Any, width: int) -> Linear:
        return Linear(d_in, d_out, {"all": str((seed, shape, width))})

    _try_family(study(narrow, size={"width": 3}), FACTS)
    with pytest.raises(SpecError, match=r"architecture 0: draw raised TypeError: .*unexpected keyword argument 'wdth'"):
        _try_family(study(narrow, size={"wdth": 3}), FACTS)


def test_the_network_takes_the_study_s_dtype(study: Callable[..., Spec]) -> None:
    subject = made(study(), dataset=data(torch.float32))
    assert {parameter.dtype for parameter in subject.network.parameters()} == {torch.float32}


def test_measuring_a_network_with_batch_norm_leaves_it_as_it_was(study: Callable[..., Spec]) -> None:
    subject = made(study(building(lambda d_in, d_out: nn.Sequential(nn.BatchNorm1d(d_in), nn.Linear(d_in, d_out)))))
    mean = subject.network[0].running_mean  # type: ignore[index]
    assert torch.equal(mean, torch.zeros(6, dtype=torch.float64))


def test_the_name_of_an_architecture_depends_on_its_size(study: Callable[..., Spec]) -> None:
    ids = {made(study(size={"width": width})).columns["architecture_id"] for width in (1, 2)}
    assert len(ids) == 2
