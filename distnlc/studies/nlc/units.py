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
from distnlc.studies.nlc.cost import cost
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
            architecture = sampled(part, number, *dimensions(part.data))
            found.append(
                Unit(
                    unit_id=short_id({"part": fixed, "index": index} | again),
                    part=name,
                    index=number,
                    cost=cost(part.data, part.training, part.search, architecture),
                    label=f"{name} {index}{f'.{initialization}' if again else ''}: {architecture.label()}",
                )
            )
    return found


def sampled(part: Spec, number: int, d_in: int, d_out: int) -> Architecture:
    """The architecture of the part's unit of that number.

    Datasets draw independent architectures, as in the paper; parts on one dataset (SGD, Adam) draw the same ones.
    """
    sampling = part.sampling
    index, initialization = divmod(number, sampling.initializations)
    return sample_architecture(
        index,
        seed=derive_seed("study", part.seed, part.data.name),
        d_in=d_in,
        d_out=d_out,
        parameters=sampling.parameters,
        depth_min=sampling.depth_min,
        depth_max=sampling.depth_max,
        initialization=initialization,
    )


def drawn(part: Spec, unit: Unit, architecture: Architecture, train_points: int) -> dict[str, Any]:
    """The columns of the unit's row that are known before it is measured."""
    return asdict(architecture) | {
        "unit_id": unit.unit_id,
        "architecture_id": architecture.architecture_id,
        "part": unit.part,
        "initialization": unit.index % part.sampling.initializations,
        "dataset": part.data.name,
        "train_points": train_points,
        "optimizer": part.training.optimizer,
        "criterion": part.training.criterion,
        "parameters": architecture.parameters,
    }


def known(spec: Spec, unit: Unit, data: DataRecord) -> dict[str, Any]:
    """What was drawn for a unit that was given up, for the data as they were found."""
    part, found = spec.part(unit.part), data[unit.part]
    return drawn(part, unit, sampled(part, unit.index, found["d_in"], found["classes"]), found["train"])
