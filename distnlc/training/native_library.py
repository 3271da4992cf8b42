"""The C code of the native program, compiled for this machine on first use, and the BLAS that it calls.

Out: a `Library` of C functions for a dtype, or the reason why there is none (no compiler, no OpenBLAS). One
compilation serves every width, depth and architecture; it takes about a second and is cached per user, keyed by the
source, the compiler, the processor and the user, so that machines of a cluster may share a home folder.

The products come from OpenBLAS's own package rather than from torch, whose MKL uses only half of the vector units of
AMD's processors with AVX-512. (The variable OPENBLAS_CORETYPE, where it is set, chooses OpenBLAS's kernels.)
"""

import ctypes
import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from distnlc.files import CACHE_VARIABLE, cache_folder
from distnlc.versions import cpuinfo

SOURCE = Path(__file__).with_name("native") / "native.c"
REALS = {torch.float64: ("double", "d"), torch.float32: ("float", "s")}
"""dtype -> C type, BLAS letter"""
FLAGS = ["-O3", "-march=native", "-std=c11", "-fPIC", "-shared", "-fopenmp-simd", "-fno-math-errno"]
FLAGS += ["-fno-trapping-math"]  # together with the one before: loops with square roots and comparisons vectorize
COMPILE_LIMIT_S = 60


class NoLibrary(RuntimeError):
    """The native program cannot be used here; the message says why."""


@dataclass(frozen=True)
class Library:
    """The functions of native.c for one dtype."""

    functions: Any
    gemm: int
    """address of cblas_?gemm"""


def library(dtype: torch.dtype) -> Library:
    """The functions for a dtype, compiled if need be. Raises NoLibrary."""
    found = _attempt(dtype)
    if isinstance(found, str):
        raise NoLibrary(found)
    return found


@cache
def _attempt(dtype: torch.dtype) -> Library | str:
    """The library, or why there is none. Tried once: a process must neither spend a minute failing before every
    population, nor change from one program, and its rounding, to the other."""
    try:
        return _load(dtype)
    except NoLibrary as reason:
        return str(reason)


def _load(dtype: torch.dtype) -> Library:
    if dtype not in REALS:
        raise NoLibrary(f"there is no native program for {dtype}")
    real, letter = REALS[dtype]
    gemm = ctypes.cast(getattr(openblas(), f"scipy_cblas_{letter}gemm"), ctypes.c_void_p).value
    functions = compiled(SOURCE, [f"-DREAL={real}"])
    functions.workspace_size.restype = functions.count_errors.restype = ctypes.c_int64
    functions.train.restype = functions.gradient.restype = ctypes.c_double
    assert gemm is not None  # the address of a loaded function
    return Library(functions, gemm)


def compiled(source: Path, flags: Sequence[str]) -> ctypes.CDLL:
    """The functions of a C file, with those beside it that it includes, compiled if need be. Raises NoLibrary."""
    path = _compiled(source, flags)
    _check_own(path)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:  # a torn file, or a folder from which nothing may be executed
        raise NoLibrary(f"{path} cannot be loaded (if it is broken, delete it): {error}") from None


@cache
def openblas() -> ctypes.CDLL:
    """OpenBLAS, set to one thread. Raises NoLibrary."""
    package = importlib.util.find_spec("scipy_openblas32")
    if package is None or package.origin is None:
        raise NoLibrary("the package scipy-openblas32 is not installed")
    # its import would load the library for the whole process, in front of SciPy's own
    found = sorted(Path(package.origin).parent.glob("lib/libscipy_openblas*"))
    try:
        blas = ctypes.CDLL(str(found[0]))
    except (IndexError, OSError) as error:
        raise NoLibrary(f"the library of scipy-openblas32 cannot be loaded: {error}") from None
    blas.scipy_openblas_set_num_threads(1)
    return blas


def _check_own(path: Path) -> None:
    """Raises NoLibrary for code that another user could have put there: the cache may be a shared folder."""
    file, folder = path.stat(), path.parent.stat()
    if file.st_uid not in {os.getuid(), 0} or file.st_mode & stat.S_IWOTH:
        open_to_others = path
    elif folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        open_to_others = path.parent
    else:
        return
    raise NoLibrary(
        f"{open_to_others} can be changed by other users, so that its code is not loaded; name a folder of your own "
        f"with the environment variable {CACHE_VARIABLE}"
    )


def _processor_flags() -> set[str]:
    """Names of the instruction sets."""
    return set(cpuinfo("flags", "Features").split())  # on x86, on ARM


def _sources(source: Path) -> list[str]:
    """The text of the C file and of the parts that it includes, which lie beside it or, like `../x.h`, elsewhere."""
    beside = [path.read_text(encoding="utf-8") for path in sorted(source.parent.glob("*.[ch]"))]
    elsewhere = re.findall(r'^#include "(\.\./[^"]+)"', source.read_text(encoding="utf-8"), re.MULTILINE)
    return beside + [(source.parent / path).read_text(encoding="utf-8") for path in elsewhere]


def _compiled(source: Path, special: Sequence[str]) -> Path:
    """The shared library of a C file with these flags, from the cache or compiled into it."""
    name, *own_flags = shlex.split(os.environ.get("CC", "")) or ["cc"]
    compiler = shutil.which(name)
    if compiler is None:
        raise NoLibrary("no C compiler was found (set CC, or install gcc or clang)")
    flags = [*own_flags, *FLAGS, *special]
    if "avx512f" in _processor_flags():
        flags.append("-mprefer-vector-width=512")
    version = subprocess.run(
        [compiler, *own_flags, "--version"], capture_output=True, encoding="utf-8", errors="replace", check=False
    ).stdout
    machine = f"{platform.machine()} {cpuinfo('model name')} {sorted(_processor_flags())} {os.getuid()}"
    key = hashlib.sha256("\n".join([source.name, *_sources(source), version, machine, *flags]).encode()).hexdigest()[
        :16
    ]
    path = cache_folder() / f"native-{key}.so"
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder, path.name)
            command = [compiler, *flags, str(source), "-o", str(made), "-lm"]
            subprocess.run(
                command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=COMPILE_LIMIT_S
            )
            try:
                os.link(made, path)  # whole or not at all: other workers may look for it now
            except FileExistsError:
                pass  # one of them was faster and has loaded its file: replacing that could kill it (over NFS)
            except OSError:  # no hard links here
                os.replace(made, path)
    except subprocess.CalledProcessError as error:
        raise NoLibrary(f"{compiler} cannot compile {source.name}: {error.stderr.strip()[:500]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoLibrary(f"{source.name} cannot be compiled into {path.parent}: {error}") from None
    return path
