"""What an NLC study computes: its spec, in one part or several, and what of a part fixes its units.

In: plain fields, checked by spec.py's types. Out: the spec of the study, and of each of its parts.
"""

from typing import Any, Literal, Self

from distnlc.spec import (
    DataSpec,
    MetricsSpec,
    SamplingSpec,
    SearchSpec,
    SpecError,
    StudySpec,
    TrainingSpec,
    canonical_json,
    field_validator,
    identity,
    merge,
    model_validator,
)
from distnlc.studies.nlc_filter import WALKED, parse_train_if


class Spec(StudySpec):
    """What an NLC study computes. `parts`: name -> fields that differ from the study's own."""

    kind: Literal["nlc"] = "nlc"
    data: DataSpec = DataSpec()
    sampling: SamplingSpec = SamplingSpec()
    training: TrainingSpec = TrainingSpec()
    search: SearchSpec = SearchSpec()
    metrics: MetricsSpec = MetricsSpec()
    train_if: str | None = None
    """which architectures are trained, such as `init_nlc between 1 and 5`; the others are measured and recorded as
    `skipped`. Left out: all are trained"""
    dtype: Literal["float64", "float32"] = "float64"
    parts: dict[str, dict[str, Any]] = {}  # noqa: RUF012 (pydantic copies defaults)

    @field_validator("train_if")
    @classmethod
    def _filter_is_readable(cls, text: str | None) -> str | None:
        if text is not None:
            parse_train_if(text)
        return text

    @model_validator(mode="after")
    def _filter_is_measured(self) -> Self:
        if self.train_if and not self.metrics.walk_batches and parse_train_if(self.train_if).column in WALKED:
            raise ValueError(f"train_if needs metrics.walk_batches >= 1 for {self.train_if!r}, but it is 0")
        return self

    @model_validator(mode="after")
    def _parts_are_specs(self) -> Self:
        for name, fields in self.parts.items():
            unknown = fields.keys() - {"data", "sampling", "training", "search", "metrics", "train_if", "dtype"}
            if unknown:
                raise ValueError(f"part {name!r} sets {sorted(unknown)}, which a part cannot")
        try:
            studies = {name: canonical_json(without_counts(self.part(name))) for name in self.parts}
        except SpecError as error:
            raise ValueError(str(error)) from None
        if len(set(studies.values())) < len(studies):
            same = [name for name in studies if list(studies.values()).count(studies[name]) > 1]
            raise ValueError(f"the parts {same} would train the same architectures in the same way; keep one of them")
        return self

    def fixing_fields(self) -> dict[str, Any]:
        """Parts count as what they come to, not as they are written."""
        if not self.parts:
            return super().fixing_fields()
        return {"parts": {name: identity(self.part(name)) for name in self.parts}}

    def part(self, name: str) -> "Spec":
        """The spec of one part, without parts."""
        if not self.parts:
            return self
        base = self.model_dump(exclude={"parts"})
        return Spec.parse(merge(base, self.parts[name]), where=f"part {name}")

    def part_names(self) -> list[str]:
        return list(self.parts) or [self.name]


def without_counts(part: Spec) -> dict[str, Any]:
    """What fixes a part's units: more architectures or initializations rename none."""
    default = SamplingSpec()
    counts = {"count": default.count, "initializations": default.initializations}
    return identity(part.model_copy(update={"sampling": part.sampling.model_copy(update=counts)}))
