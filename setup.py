"""Builds mobileip.dataplane._core; everything else about the package is in pyproject.toml."""

import runpy
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).resolve().parent
SOURCES = runpy.run_path(str(ROOT / "tools/source_hash.py"))
DATAPLANE, MODULE = SOURCES["DATAPLANE"], SOURCES["MODULE"]


def extensions() -> list[Extension]:
    csrc = SOURCES["c_sources"](ROOT)
    if not csrc:
        raise SystemExit(f"mobileip.dataplane._core cannot be built: {DATAPLANE / 'csrc'} is empty")
    core = Extension(
        "mobileip.dataplane._core",
        [str(MODULE), *map(str, csrc)],
        include_dirs=[str(DATAPLANE / "csrc")],
        define_macros=[("MIP_SOURCE_HASH", f'"{SOURCES["source_hash"](ROOT)}"')],
        # Link-time optimisation: the way of a packet leads through many small files.  Nobody outside calls
        # into it, and what is not exported can be inlined.
        extra_compile_args=["-std=gnu11", "-O3", "-g", "-pthread", "-flto", "-fvisibility=hidden"],
        extra_link_args=["-O3", "-pthread", "-flto=auto"],
    )
    # The generated C stays out of src, where it would be taken for a source.
    return cythonize([core], build_dir="build/cython", language_level=3)


setup(ext_modules=extensions())
