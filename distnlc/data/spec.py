"""Which dataset a study is about, how it is prepared, and how many points of it."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from distnlc.data.catalog import DATASETS, built_in, fields_of, preparation_named, source_named
from distnlc.plugins import Preparation, Source
from distnlc.spec import HOW, NonNegativeInt, PositiveFloat, PositiveInt, SpecModel

MOST_NUMBERS = 10**7
"""in one generated point"""
NAMED: Mapping[str, tuple[str, Callable[[str], Source | Preparation]]] = {
    "source": ("name", source_named),
    "preparation": ("preparation", preparation_named),
}
"""what has a version -> the field that names it, and where the name is looked up"""


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
    first: PositiveInt | None = None
    """points that are drawn from: the first ones of the source, or of its training files if it has others; null: all"""
    labels: Literal["true", "random"] = "true"
    """random: training labels are uniformly random classes, fixed by the seed; the other parts keep theirs"""
    source_version: str = "1"
    """of the dataset's source, as it is here; a study of another version has other points"""
    preparation_version: str = "1"
    """of the preparation, likewise"""

    @model_validator(mode="before")
    @classmethod
    def _versions_of_those_here(cls, fields: Any) -> Any:
        """Writes the versions of the plug-ins here into a spec that names none."""
        if not isinstance(fields, Mapping):
            return fields
        found = dict(fields)
        for what, (field, named) in NAMED.items():
            with suppress(ValueError):  # a name that is not there is answered below
                if isinstance(name := found.get(field), str):
                    found.setdefault(f"{what}_version", named(name).version)
        return found

    @model_validator(mode="after")
    def _versions_are_here(self) -> Self:
        for what, (field, named) in NAMED.items():
            name, version = getattr(self, field), getattr(self, f"{what}_version")
            if name and (here := named(name).version) != version:
                raise ValueError(
                    f"the study has the {what} {name} in version {version}; here it is version {here}, which gives "
                    "other results"
                )
        return self

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
        """The name of the file too, wherever it lies, so that parts may differ in it."""
        fields = super().identity_fields()
        return fields | {"file": Path(self.file).name} if self.file else fields
