"""What an NLC study computes: the spec of a study, of which every part is one too."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from distnlc.data.spec import DataSpec
from distnlc.metrics.spec import MetricsSpec
from distnlc.plugged import NamedFamily
from distnlc.search import SearchSpec
from distnlc.spec import PositiveInt, SpecModel, StudySpec, identity
from distnlc.studies.nlc.train_if import check_train_if
from distnlc.training.spec import TrainingSpec

Scalar = bool | int | Annotated[float, Field(allow_inf_nan=False)] | str


class SamplingSpec(SpecModel):
    """How many architectures are drawn, by the scheme of section C or by a family of the user's own, and their size."""

    count: PositiveInt = 250
    parameters: Annotated[int, Field(ge=100)] = 1_000_000
    """trainable weights and biases; the width comes nearest to it"""
    depth_min: Annotated[int, Field(ge=3)] = 3
    depth_max: Annotated[int, Field(ge=3)] = 49
    initializations: PositiveInt = 1
    """initial weights that each architecture is trained from: more than one tell how much of the error is chance"""
    family: NamedFamily | None = None
    """the name of a family of the user's own (a plug-in); left out: fully-connected networks by section C"""
    size: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    """fields that the family's `draw` takes"""

    @model_validator(mode="after")
    def _family_fits(self) -> Self:
        if self.family is None and self.size:
            raise ValueError(f"size is what a family takes, and no family is named; found size {self.size}")
        if self.family is not None and self.initializations > 1:
            raise ValueError(
                "initializations must be 1 with a family, whose seed fixes the initial weights together with the "
                f"architecture, but it is {self.initializations}"
            )
        return self

    @model_validator(mode="after")
    def _depths_are_odd_and_ordered(self) -> Self:
        if self.depth_min % 2 == 0 or self.depth_max % 2 == 0 or self.depth_min > self.depth_max:
            raise ValueError(
                "depth_min <= depth_max must hold and both must be odd (skip connections bypass two linear "
                f"operations), but got depth_min={self.depth_min}, depth_max={self.depth_max}"
            )
        return self


class Spec(StudySpec):
    """Networks measured at initialization, trained under a learning-rate search, and measured again."""

    kind: Literal["nlc"] = "nlc"
    data: DataSpec = DataSpec()
    sampling: SamplingSpec = SamplingSpec()
    training: TrainingSpec = TrainingSpec()
    search: SearchSpec = SearchSpec()
    metrics: MetricsSpec = MetricsSpec()
    train_if: str | None = None
    """which architectures are trained, such as `init_nlc between 1 and 5 and init_bias below 10`; the others are
    measured and recorded as `skipped`. Left out: all are trained"""
    dtype: Literal["float64", "float32"] = "float64"

    @field_validator("train_if")
    @classmethod
    def _filter_is_measured(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and {"sampling", "metrics"} <= info.data.keys():  # else the fault of these is told
            check_train_if(text, info.data["metrics"], of_family=info.data["sampling"].family is not None)
        return text

    def unit_identity(self) -> dict[str, Any]:
        """More architectures or initializations rename no unit."""
        counts = {"count": SamplingSpec().count, "initializations": SamplingSpec().initializations}
        return identity(self.model_copy(update={"sampling": self.sampling.model_copy(update=counts)}))
