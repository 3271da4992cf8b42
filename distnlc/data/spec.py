"""Which dataset a study is about, how it is prepared, and how many points of it."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from distnlc.data.catalog import DATASETS, built_in, fields_of, preparation_named, source_named
from distnlc.spec import HOW, NonNegativeInt, PositiveFloat, PositiveInt, SpecModel

MOST_NUMBERS = 10**7
"""in one generated point"""


class DataSpec(SpecModel):
    """Which dataset, how it is prepared, and how many points of it; data/README.md says what there is.

    Fields left out are the dataset's: for the three of the NLC study its paper's (section D). A field that the dataset
    has no use for is refused.
    """

    name: str = "waveform-noise"
    train: PositiveInt | None = None
    validation: NonNegativeInt | None = None
    test: NonNegativeInt | None = None
    root: str | None = Field(default=None, json_schema_extra=HOW)
    """the folder that holds the datasets' files"""
    file: str | None = Field(default=None, json_schema_extra=HOW)
    """of `npz`; its name is part of ids, its content of the data record, its folder of neither"""
    preparation: str | None = None
    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] | None = None
    """of one of the `gaussian-images`, such as [3, 32, 32]"""
    separation: PositiveFloat | None = None
    """of `clusters`: distance of the classes' centers from 0, in standard deviations of a class in each direction"""
    crop: NonNegativeInt = 0
    """of images: the side in pixels of their central square that is cut out before the preparation; 0: all of it"""
    labels: Literal["true", "random"] = "true"
    """random: training labels are uniformly random classes, fixed by the seed; the other parts keep theirs"""

    @field_validator("name")
    @classmethod
    def _dataset_is_there(cls, name: str) -> str:
        source_named(name)
        return name

    @field_validator("preparation")
    @classmethod
    def _preparation_is_there(cls, name: str | None) -> str | None:
        if name is not None:
            preparation_named(name)
        return name

    @field_validator("labels", mode="before")
    @classmethod
    def _true_is_a_word_here(cls, value: Any) -> Any:
        return "true" if value is True else value  # as YAML reads it

    @field_validator("file", "shape", "separation", "crop")
    @classmethod
    def _dataset_has_a_use_for_it(cls, value: Any, info: ValidationInfo) -> Any:
        name, field = info.data.get("name"), str(info.field_name)
        if name and value and field not in fields_of(name):
            users = [each for each, known in DATASETS.items() if field in known.fields]
            raise ValueError(f"{name} has no use for it, only {', '.join(users)}")
        if name == "npz" and field == "file" and not value:
            raise ValueError("npz needs the path of its file, such as --set data.file=my.npz")
        return value

    @field_validator("shape")
    @classmethod
    def _shape_is_bearable(cls, shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if shape and math.prod(shape) > MOST_NUMBERS:
            raise ValueError(f"expected at most {MOST_NUMBERS:,} numbers a point")
        return shape

    @field_validator("crop")
    @classmethod
    def _crop_is_within_the_image(cls, crop: int, info: ValidationInfo) -> int:
        known = built_in(info.data.get("name", ""))
        shape = info.data.get("shape") or (known and known.stated and known.stated.shape)
        if crop and shape and (len(shape) < 2 or crop > min(shape[-2:])):
            raise ValueError(f"the points of {info.data['name']} are {' x '.join(map(str, shape))}")
        return crop

    def identity_fields(self) -> dict[str, Any]:
        """The name of the file too, wherever it lies, so that parts may differ in it; the versions of plug-ins, where
        these are not the first."""
        fields = super().identity_fields()
        if self.file:
            fields["file"] = Path(self.file).name
        source = source_named(self.name)
        if source.version != "1":
            fields["source_version"] = source.version
        if self.preparation and (version := preparation_named(self.preparation).version) != "1":
            fields["preparation_version"] = version
        return fields
