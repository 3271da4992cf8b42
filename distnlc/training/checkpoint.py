"""Checkpoints of a long unit, so that a lost worker costs minutes and not the unit.

In: the unit's own folder, the unit's identity, and after each epoch the offer of its state: plain data of JSON's
types, with tensors anywhere in it. Out: at most two files `<number>.npz`, and the newest state that can be used. Short
units write nothing. A file holds one JSON text and plain arrays, each with a checksum; nothing is unpickled, so that a
foreign study folder cannot run code when it is resumed. A torn file, or one of another unit or of a machine that rounds
otherwise, is set aside and the older one is taken; with none left the unit begins anew. Without a folder to write to,
training goes on.
"""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.files import write_whole
from distnlc.training.once import warn_once

log = logging.getLogger(__name__)

FORMAT_VERSION = 3
"""to be raised whenever an older state could not be taken up, or would give other rows"""
EVERY_S = 120.0
"""between two checkpoints, and before the first"""
QUICK_S = 2.0
"""a save that takes longer lengthens the wait in proportion: never more than a sixtieth of the time goes to saving"""
KEPT = 2

State = dict[str, Any]


class Checkpoints:
    """The checkpoints of one unit, from the moment its work begins."""

    def __init__(self, folder: Path | None, identity: Mapping[str, Any]) -> None:
        """`folder`: `<study folder>/<room>/<unit id>`, made by the first save; None: none are kept.
        `identity`: plain data; a checkpoint with another one is refused. Its entry `machine` (name -> value) is what
        must be the same where a unit goes on, see `machine_of`."""
        # a link was made by somebody else: what it leads to is no checkpoint
        self.folder = None if folder is not None and folder.is_symlink() else folder
        self.identity = json.loads(json.dumps({"format": FORMAT_VERSION, **identity}))
        self._last = time.monotonic()
        self._save_s = 0.0

    def load(self, device: str) -> State | None:
        """The state of the newest usable checkpoint, its tensors on the device; None if there is none."""
        files = self._files()
        for path in reversed(files):
            try:
                return self._read(path, device)
            except (torch.OutOfMemoryError, torch.AcceleratorError):
                raise  # the device has failed, and the file may be good
            except Exception as error:  # a torn or forged file can make its readers raise anything
                reason = f"{type(error).__name__}: {error}"
                log.warning("%s: cannot be resumed (%s); set aside, work goes on from before it", path, reason)
                _set_aside(path)
        if files:
            log.warning("%s: no checkpoint is left, the unit begins anew", self.folder)
        return None

    def offer(self, state: Callable[[], State]) -> None:
        """Saves the state if the last save, or the beginning, is long enough ago; no error if it cannot be written."""
        if self.folder is None or time.monotonic() - self._last < EVERY_S * max(1.0, self._save_s / QUICK_S):
            return
        began = time.monotonic()
        try:
            self._save(self.folder, state())
        except OSError as error:
            room, reason = self.folder.parent, error.strerror or str(error)
            warn_once(f"{room}: cannot keep checkpoints here ({reason}); training goes on without them")
        self._last = time.monotonic()
        self._save_s = self._last - began

    def _files(self) -> list[Path]:
        """The checkpoints there are, the oldest first."""
        try:
            found = [] if self.folder is None else list(self.folder.iterdir())
        except OSError:  # there is no folder yet, or it cannot be read
            return []
        return sorted(path for path in found if re.fullmatch(r"\d{8}\.npz", path.name))

    def _save(self, folder: Path, state: State) -> None:
        folder.parent.mkdir(exist_ok=True)  # no further up: a machine that lacks the study folder does not share it
        folder.mkdir(exist_ok=True)
        for forgotten in folder.glob(".*.npz.*"):  # aside, by a worker that was killed while it saved
            forgotten.unlink(missing_ok=True)
        arrays: dict[str, Any] = {}

        def place(tensor: Tensor) -> dict[str, str]:
            name = f"tensor{len(arrays)}"
            arrays[name] = tensor.detach().cpu().numpy()
            return {"tensor": name}

        text = json.dumps({"identity": self.identity, "state": state}, default=place)
        older = self._files()
        for path in older[: -(KEPT - 1)]:
            path.unlink(missing_ok=True)
        number = int(older[-1].stem) + 1 if older else 1
        content = np.frombuffer(text.encode(), dtype=np.uint8)
        write_whole(folder / f"{number:08d}.npz", lambda file: np.savez(file, text=content, **arrays))
        _sync_folder(folder)

    def _read(self, path: Path, device: str) -> State:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:

            def fill(plain: dict[str, Any]) -> Any:
                if plain.keys() != {"tensor"}:
                    return plain
                return torch.from_numpy(arrays[plain["tensor"]]).to(device)

            text = arrays["text"].tobytes()
            found = json.loads(text)["identity"]
            if found != self.identity:
                raise ValueError(_difference(found, self.identity))
            state: State = json.loads(text, object_hook=fill)["state"]
            return state


def machine_of(program: str, device: str) -> dict[str, str]:
    """What decides how the runs of a program (`program_name`) are rounded, besides the program: the GPU's model with
    the versions of torch and CUDA, and of Triton where that compiles kernels. On CPUs torch's version, for programs
    that are made of its operations; nothing more, since the native program brings its own code, and a unit may move
    between a cluster's CPUs."""
    if program == "native":
        return {}
    versions = {"torch": str(torch.__version__)}
    if program == "fused":
        versions["Triton"] = metadata.version("triton")
    if device.startswith("cuda"):
        return {"GPU": torch.cuda.get_device_name(device), **versions, "CUDA": str(torch.version.cuda)}
    return versions


def _difference(there: dict[str, Any], here: dict[str, Any]) -> str:
    """How two identities differ, in words."""
    keys = sorted(key for key in there | here if there.get(key) != here.get(key))
    if keys != ["machine"]:
        return f"it was saved by other work: {', '.join(keys)} differ"
    old, new = there.get("machine", {}), here.get("machine", {})
    names = [name for name in {**new, **old} if old.get(name) != new.get(name)]
    each = [f"{name} {old.get(name, 'not named')} there, {new.get(name, 'none')} here" for name in names]
    return f"it was saved on another machine: {'; '.join(each)}"


def _set_aside(path: Path) -> None:
    try:
        os.replace(path, path.with_name(path.name + ".bad"))
    except OSError as error:
        log.warning("%s: cannot be renamed: %s", path, error.strerror or error)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
