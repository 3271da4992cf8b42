"""The units of an NLC study: which architecture each one is, and what is known of it before any work.

Nothing here needs torch or data: costs and labels use the dimensions that the paper states, or a guess for a dataset
that only its files tell about.
"""

from dataclasses import asdict
from typing import Any

from distnlc.data.sources import dimensions
from distnlc.networks.architecture import Architecture
from distnlc.plugins import DataRecord
from distnlc.spec import Unit, derive_seed, short_id
from distnlc.studies.nlc import family
from distnlc.studies.nlc.cost import cost, cost_a_point
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.studies.nlc.spec import Spec


def units(spec: Spec) -> list[Unit]:
    """One unit per initialization of each architecture and part, `Unit.index` counting them."""
    found = []
    for name in spec.part_names():
        part = spec.part(name)
        fixed = part.unit_identity()
        for number in range(part.sampling.count * part.sampling.initializations):
            index, initialization = divmod(number, part.sampling.initializations)
            again = {"initialization": initialization} if initialization else {}
            a_point, described = _expected(part, number)
            found.append(
                Unit(
                    unit_id=short_id({"part": fixed, "index": index} | again),
                    part=name,
                    index=number,
                    cost=cost(part.data, part.training, part.search, a_point),
                    label=f"{name} {index}{f'.{initialization}' if again else ''}: {described}",
                )
            )
    return found


def _expected(part: Spec, number: int) -> tuple[float, str]:
    """The cost of a datapoint, and the network in a few words."""
    if part.sampling.family is not None:
        return family_cost_a_point(part), f"{part.sampling.family.name} {number}"
    architecture = sampled(part, number, *dimensions(part.data))
    return cost_a_point(architecture), architecture.label()


def family_cost_a_point(part: Spec) -> float:
    """A family's networks are not known before they are built: `sampling.parameters` stands for their size."""
    return 6.0 * part.sampling.parameters


def sampled(part: Spec, number: int, d_in: int, d_out: int) -> Architecture:
    """The architecture of the part's unit of that number, of section C.

    Datasets draw independent architectures, as in the paper; parts on one dataset (SGD, Adam) draw the same ones.
    """
    sampling = part.sampling
    index, initialization = divmod(number, sampling.initializations)
    return sample_architecture(
        index,
        seed=_study_seed(part),
        d_in=d_in,
        d_out=d_out,
        parameters=sampling.parameters,
        depth_min=sampling.depth_min,
        depth_max=sampling.depth_max,
        initialization=initialization,
    )


def _study_seed(part: Spec) -> int:
    return derive_seed("study", part.seed, part.data.name)


def family_seed(part: Spec, index: int) -> int:
    """The seed of the part's architecture of that index, of the part's family."""
    assert part.sampling.family is not None
    return derive_seed("family", part.sampling.family.name, _study_seed(part), index)


def drawn(part: Spec, unit: Unit, architecture: Architecture, train_points: int) -> dict[str, Any]:
    """The columns of the unit's row that are known before it is measured, for an architecture of section C."""
    own = {"architecture_id": architecture.architecture_id, "parameters": architecture.parameters}
    return asdict(architecture) | own | _of_the_part(part, unit, train_points)


def drawn_of_family(
    part: Spec, unit: Unit, d_in: int, d_out: int, parameters: int, train_points: int
) -> dict[str, Any]:
    """The same for an architecture of a family."""
    own = family.columns(part.sampling, unit.index, family_seed(part, unit.index), d_in, d_out)
    return own | {"parameters": parameters} | _of_the_part(part, unit, train_points)


def _of_the_part(part: Spec, unit: Unit, train_points: int) -> dict[str, Any]:
    return {
        "unit_id": unit.unit_id,
        "part": unit.part,
        "initialization": unit.index % part.sampling.initializations,
        "dataset": part.data.name,
        "train_points": train_points,
        "optimizer": part.training.optimizer,
        "criterion": part.training.criterion,
    }


def known(spec: Spec, unit: Unit, data: DataRecord) -> dict[str, Any]:
    """What was drawn for a unit that was given up, for the data as they were found.

    A family's network is built again for its number of parameters, which is 0 if that is what went wrong.
    """
    part, found = spec.part(unit.part), data[unit.part]
    d_in, d_out = found["d_in"], found["classes"]
    if part.sampling.family is None:
        return drawn(part, unit, sampled(part, unit.index, d_in, d_out), found["train"])
    own = part.sampling, unit.index, family_seed(part, unit.index)
    try:
        description = family.draw(*own, d_in, d_out, found.get("shape", [d_in]))
        parameters = family.count_parameters(family.build(*own, description))
    except ValueError:
        parameters = 0
    return drawn_of_family(part, unit, d_in, d_out, parameters, found["train"])
