"""The spec of a study of the scaling calculus: every part is one experiment (additions, part b)."""

from typing import Annotated, Any, Literal

from pydantic import Field

from distnlc.spec import HOW, PositiveFloat, SpecModel, StudySpec, identity
from distnlc.studies.scaling.groups import AlexNet, Blocks, Init, LibSvm, Once, Operations, Ratio, ResidualNets, ResNet

Experiment = Literal["operations", "ratio", "blocks", "libsvm", "alexnet", "residual", "resnet"]
TRAINED = ("libsvm", "alexnet", "resnet")
"""experiments that train, and need data"""
COMPARED = ("blocks", "libsvm", "alexnet")
"""experiments that compare initializations"""
COUNTS = {
    "ratio": ("setups",),
    "blocks": ("setups",),
    "libsvm": ("seeds", "sets"),
    "alexnet": ("seeds",),
    "residual": ("setups", "variants"),
    "resnet": ("seeds", "schemes"),
}
"""experiment -> its fields that only say which units there are"""


class Place(SpecModel):
    """Where data are."""

    root: str | None = Field(default=None, json_schema_extra=HOW)
    """the folder that holds the datasets' files, those of LibSVM in its folder libsvm/"""


class Spec(StudySpec):
    """A scaling calculus for the design and initialization of ReLU networks (Defazio, Bottou 2019).

    A unit is one operation, one measured network, or one network with all its learning rates.
    """

    kind: Literal["scaling"]
    experiment: Experiment = "operations"
    inits: Annotated[tuple[Init, ...], Once] = ("geometric", "fan-in", "fan-out", "arithmetic")
    """compared initializations"""
    numerator: PositiveFloat = 2.0
    """c of the geometric one is this over the typical size of a kernel"""
    operations: Operations = Operations()
    ratio: Ratio = Ratio()
    blocks: Blocks = Blocks()
    libsvm: LibSvm = LibSvm()
    alexnet: AlexNet = AlexNet()
    residual: ResidualNets = ResidualNets()
    resnet: ResNet = ResNet()
    dtype: Literal["float32", "float64"] = "float32"
    """of trainings; what is measured is float64"""
    data: Place = Place()

    def unit_identity(self) -> dict[str, Any]:
        """The fields that tell parts apart: the section of the part's own experiment, and the common fields it uses."""
        unused = {*COUNTS, "operations"} - {self.experiment}
        unused |= set() if self.experiment in COMPARED else {"inits"}
        unused |= set() if self.experiment in TRAINED else {"dtype"}
        unused |= {"numerator"} if self.experiment == "operations" else set()
        return identity(self.model_copy(update=defaults(self, unused)))

    def fixed(self) -> dict[str, Any]:
        """The fields that fix the results of a part's units: more seeds, sets or initializations rename no unit."""
        group = getattr(self, self.experiment)
        counts = defaults(group, COUNTS.get(self.experiment, ()))
        own = {self.experiment: group.model_copy(update=counts)} | defaults(self, ["inits"])
        return self.model_copy(update=own).unit_identity()


def defaults(model: SpecModel, names: Any) -> dict[str, Any]:
    """The default values of these fields."""
    return {name: type(model).model_fields[name].get_default() for name in names}
