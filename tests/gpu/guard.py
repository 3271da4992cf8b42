"""Compiles guard.cpp on first use into the cache folder, and loads it before torch, which asks only once whether there
is CUDA."""

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from distnlc.files import cache_folder

SOURCE = Path(__file__).with_name("guard.cpp")
FLAGS = ["-O1", "-std=c++20", "-fPIC", "-shared", "-w"]


class NoPretendedGPU(RuntimeError):
    """There can be no pretended GPU here; the message says why."""


def load() -> None:
    """Makes torch, which must not have been imported yet, believe in a CUDA device. Raises NoPretendedGPU."""
    if "torch" in sys.modules:
        raise NoPretendedGPU("the pretended GPU must be imported before torch: pytest -p tests.gpu.plugin")
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        raise NoPretendedGPU("torch is not installed")
    torch = Path(found.origin).parent
    if (torch / "lib" / "libtorch_cuda.so").exists():
        raise NoPretendedGPU("this torch has CUDA of its own; the pretended GPU needs a torch for CPUs")
    guard = _compiled(torch)
    for name in ("libc10.so", "libtorch_cpu.so"):
        ctypes.CDLL(str(torch / "lib" / name), mode=ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(guard))


def _compiled(torch: Path) -> Path:
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise NoPretendedGPU("no C++ compiler was found (set CXX, or install g++)")
    key = f"{SOURCE.read_text(encoding='utf-8')} {metadata.version('torch')} {compiler} {FLAGS}"
    path = cache_folder() / f"pretended-gpu-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder, path.name)
        include = f"-I{torch / 'include'}"
        done = subprocess.run(
            [compiler, *FLAGS, include, str(SOURCE), "-o", str(made)],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise NoPretendedGPU(f"{compiler} cannot compile {SOURCE.name}: {done.stderr.strip()[:500]}")
        os.replace(made, path)  # whole, for the workers beside this one
    return path
