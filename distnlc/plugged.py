"""A plug-in as a spec names it: by its name, with the version that fixes what it gives.

In: what people write, a name. Out: name and version, which enter study.yaml and the ids. What has a version already, as
in a study.yaml, is not looked up, so that a study can be read where its plug-ins are not; `check_plugins` tells whether
it can be run here.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import model_validator

from distnlc.plugins import Family, Metric, plugin_required, word_for
from distnlc.spec import SpecError, SpecModel, StudySpec


class Plugged(SpecModel):
    """A plug-in of one type; the subclasses say which."""

    plugin: ClassVar[type]
    name: str
    version: str

    @model_validator(mode="before")
    @classmethod
    def _version_of_the_one_here(cls, value: Any) -> Any:
        return (
            {"name": value, "version": plugin_required(cls.plugin, value).version} if isinstance(value, str) else value
        )


class NamedMetric(Plugged):
    """A metric of somebody's own."""

    plugin = Metric


class NamedFamily(Plugged):
    """A family of architectures of somebody's own."""

    plugin = Family


def check_plugins(spec: SpecModel) -> None:
    """Raises SpecError unless the plug-ins that a spec names are here, in the versions that it names."""
    for plugged in _all_in(spec):
        found = plugin_required(plugged.plugin, plugged.name).version
        if found != plugged.version:
            raise SpecError(
                f"the study has the {word_for(plugged.plugin)} {plugged.name} in version {plugged.version}; here it "
                f"is version {found}, which gives other results"
            )


def _all_in(value: Any) -> Iterator[Plugged]:
    """All in a spec, those of its parts too."""
    if isinstance(value, Plugged):
        yield value
    elif isinstance(value, StudySpec) and value.parts:
        for name in value.parts:
            yield from _all_in(value.part(name))
    elif isinstance(value, SpecModel):
        for name in type(value).model_fields:
            yield from _all_in(getattr(value, name))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _all_in(each)
