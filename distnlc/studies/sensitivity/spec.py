"""What a study of sensitivity trains and measures: every part is one design of networks on one data set."""

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import model_validator

from distnlc.data.catalog import built_in
from distnlc.data.sources import dimensions, known_sizes
from distnlc.data.spec import DataSpec
from distnlc.spec import SpecModel, StudySpec, identity
from distnlc.studies.sensitivity.cells import Cell, can_be_drawn, chosen_cells, every_cell, with_twins
from distnlc.studies.sensitivity.design import LBFGS, MOMENTUM, Factor, Measure, Networks, Training

FILE = 50_000
"""images of the training file that the paper uses of every data set: the first ones, where all of them are used"""
SPHERE = "sphere"


class Spec(StudySpec):
    """Sensitivity and generalization (Novak, Bahri, Abolafia, Pennington, Sohl-Dickstein 2018).

    A unit is one trained network.
    """

    kind: Literal["sensitivity"]
    data: DataSpec = DataSpec(name="mnist", train=FILE, test=10_000)
    """every point is put on the sphere unless a preparation is named; there is no validation part"""
    networks: Networks = Networks()
    training: Training = Training()
    measure: Measure = Measure()

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        if self.data.labels != "true":
            raise ValueError("data.labels: in this study training.labels makes labels random, for each seed others")
        if self.training.augmentation != "none" and (
            LBFGS in self.training.rates or "optimizer" in self.networks.twins
        ):
            raise ValueError("training.augmentation: lbfgs trains on all images as they are; take it out of the part")
        for factor in self.networks.twins:
            if all(cell.twin(factor) is None for cell in every_cell(self.networks, self.training)):
                raise ValueError(f"networks.twins: {factor} needs networks {TWINS[factor]}, and the part has none")
        train = known_sizes(self.data_spec)[0]
        if train is not None and (large := [size for size in self.training.batches if size > train]):
            raise ValueError(f"training.batches: {large[0]} points are more than data.train = {train}")
        if (draw := self.networks.draw) is not None:
            there = len(can_be_drawn(every_cell(self.networks, self.training), dimensions(self.data_spec)))
            if draw > there:
                raise ValueError(
                    f"networks.draw = {draw} is more than the {there} different cells that the lists of networks and "
                    "training give"
                )
        return self

    @property
    def data_spec(self) -> DataSpec:
        """The part's data with what this study says of it: on the sphere, no validation part, of the image files the
        first 50,000 where all of those are used."""
        known = built_in(self.data.name)
        images = known is not None and known.source.files is not None and known.stated is not None and known.fields
        train = self.data.train or (FILE if images else None)
        found = {"preparation": self.data.preparation or SPHERE, "validation": 0, "train": train}
        return self.data.model_copy(update=found | ({"first": FILE} if images and train == FILE else {}))

    def cells(self, name: str) -> dict[Cell, set[Factor]]:
        """The cells of this part, whose name is `name`, with their twins -> the factors in whose pairs they are."""
        sizes = dimensions(self.data_spec)
        return with_twins(chosen_cells(self.networks, self.training, sizes, self.seed, name), self.networks.twins)

    def unit_identity(self) -> dict[str, Any]:
        """What tells parts apart: neither the number of their networks nor how much is measured of them. Parts that
        are alike in the rest would train the same networks, and their pairs could not be told apart."""
        networks, measure = _as_usual(self.networks, NUMBERS), _as_usual(self.measure, COUNTS)
        return identity(self.model_copy(update={"networks": networks, "measure": measure}))

    def fixed(self) -> dict[str, Any]:
        """What a part's networks share and what fixes their results, but for how much is measured of them: more seeds,
        cells, points or trajectories rename no unit."""
        training, measure = _as_usual(self.training, IN_CELLS), _as_usual(self.measure, COUNTS)
        return identity(self.model_copy(update={"networks": Networks(), "training": training, "measure": measure}))


def _as_usual(section: SpecModel, names: Iterable[str]) -> SpecModel:
    """The section with the defaults of these fields."""
    fields = type(section).model_fields
    return section.model_copy(update={name: fields[name].get_default(call_default_factory=True) for name in names})


NUMBERS = ("seeds", "draw")
"""fields of `networks` that say how many there are"""
IN_CELLS = ("optimizers", "batches", "labels", "augmentation")
"""fields of `training` that cells have"""
COUNTS = ("jacobian_points", "trajectories", "points", "ellipses", "planes")
"""fields of `measure` that say how much is measured"""
TWINS: dict[Factor, str] = {
    "labels": "with labels: true",
    "augmentation": "without augmentation that are trained by minibatches",
    "activation": "of relu or hardsigmoid",
    "optimizer": f"trained by {MOMENTUM}",
}
"""factor -> what can have a twin"""
