"""Which dataset a study is about, and how many points of it."""

from typing import Literal

from pydantic import Field

from distnlc.spec import HOW, PositiveInt, SpecModel


class DataSpec(SpecModel):
    """Which dataset, and how many points of it (section D). Counts left out are the paper's."""

    name: Literal["waveform-noise", "mnist", "cifar10"] = "waveform-noise"
    train: PositiveInt | None = None
    validation: PositiveInt | None = None
    test: PositiveInt | None = None
    root: str | None = Field(default=None, json_schema_extra=HOW)
