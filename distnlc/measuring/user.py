"""The user's network, named as `module:function`, and the user's inputs in a file of numpy's.

Modules are found as Python finds them, the current directory first. Every mistake gets one message, and so does
whatever the user's own code raises.
"""

import importlib
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from distnlc.data.images import DataError
from distnlc.measuring.network import brief
from distnlc.metrics.measurable import Network
from distnlc.spec import SpecError

ADVICE = "expected MODULE:FUNCTION, such as models:small_net, a function without arguments that returns a torch module"


class Points(NamedTuple):
    """inputs (points, d_in...) float64, and labels (points,) int64 if there are any."""

    inputs: Tensor
    labels: Tensor | None
    test_inputs: Tensor
    """(points, d_in...); of a file, which has no test part, all inputs"""
    image_shape: tuple[int, ...] | None = None
    """how rows of numbers are read as images; None: as they are"""


def make_network(factory: str, *, seed: int) -> Network:
    """The network that `module:function` makes, its random numbers fixed by the seed. Raises SpecError."""
    module_name, colon, name = factory.partition(":")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in module_name.split("."))):
        raise SpecError(f"{factory}: {ADVICE}")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise SpecError(f"{factory}: there is no module {error.name!r} in {here}, nor is one installed") from None
        raise SpecError(f"{factory}: the module cannot be imported: {brief(error)}") from None
    if not hasattr(module, name):
        functions = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise SpecError(f"{factory}: the module has no {name!r}; it has: {', '.join(functions) or 'no function'}")
    torch.manual_seed(seed)
    made = getattr(module, name)
    if not isinstance(made, nn.Module):
        try:
            made = made()
        except (Exception, SystemExit) as error:
            raise SpecError(f"{factory}: calling it without arguments raised {brief(error)}") from None
    if not callable(made) or isinstance(made, type):
        raise SpecError(f"{factory}: returned {type(made).__name__}; {ADVICE}")
    return made


def read_points(path: Path) -> Points:
    """The inputs of a .npy file, or the `inputs` and `labels` of a .npz file. Raises DataError."""
    advice = "expected a .npz file with inputs (points, d_in...) and perhaps labels (points,), or a .npy file of inputs"
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            arrays = {"inputs": found} if isinstance(found, np.ndarray) else dict(found)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; {advice}") from None
    except (ValueError, EOFError, zipfile.BadZipFile):  # pickled objects are a ValueError
        raise DataError(f"{path}: does not hold arrays of plain numbers; {advice}") from None
    if "inputs" not in arrays:
        raise DataError(f"{path}: holds {', '.join(arrays) or 'nothing'}; {advice}")
    inputs, labels = arrays["inputs"], arrays.get("labels")
    if inputs.ndim < 2 or inputs.dtype.kind not in "fiu":
        raise DataError(f"{path}: inputs are {inputs.dtype} of shape {inputs.shape}; {advice}")
    if labels is not None and labels.dtype.kind not in "iu":
        raise DataError(f"{path}: labels are {labels.dtype} of shape {labels.shape}, not whole numbers; {advice}")
    points = torch.from_numpy(inputs.astype(np.float64))
    return Points(points, None if labels is None else torch.from_numpy(labels.astype(np.int64)), points)
