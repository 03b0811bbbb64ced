"""Builds src_c/ into static libraries, one per instruction set, and links them into the Cython extensions.

Everything else about the package stands in pyproject.toml. NNCORE_WERROR=1 makes warnings errors (CI sets it);
NNCORE_WITHOUT_AVX512=1 leaves out what takes half of the compiler's time, for work on other things. Wheels are built
with NNCORE_REQUIRE_OPENMP=1, as they shall not come without threads.
NNCORE_SANITIZE=address,undefined or thread builds for the compiler's sanitizers, whose runtimes must then be loaded
before Python's: `python -m reliability.sanitizers` does both, in a folder of its own. NNCORE_COVERAGE=1 counts which
lines of src_c run (gcc's or clang's --coverage).
"""

import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))  # which a build in an environment of its own lacks

from shipping import archives, compilers, instruments, sbom

SOURCES = pathlib.Path("src_c")
HEADERS = [str(p) for pattern in ("*.h", "*.def", "*/*.h") for p in SOURCES.glob(pattern)]

MACHINE = compilers.machine()
if "thread" in instruments.SANITIZERS:
    MACRO, VARIANTS = [], {"generic": []}  # what threads share is the same in all of them, and only this is plain C
elif MACHINE in ("x86_64", "amd64"):
    MACRO = [("NN_X86_64", "1")]
    AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"]
    VARIANTS = {
        "avx512": AVX512,
        "bfloat16": [*AVX512, "-mavx512bf16"],
        "avx2": ["-mavx2", "-mfma"],
        "generic": [],
    }
    if os.environ.get("NNCORE_WITHOUT_AVX512") == "1":
        MACRO.append(("NN_WITHOUT_AVX512", "1"))
        del VARIANTS["avx512"], VARIANTS["bfloat16"]
elif MACHINE in ("aarch64", "arm64"):
    MACRO, VARIANTS = [("NN_AARCH64", "1")], {"neon": [], "generic": []}
else:
    MACRO, VARIANTS = [], {"generic": []}

# The results must not depend on the compiler's mood: no contraction of a * b + c but where the source says so.
FLAGS = ["-std=c11", "-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
CYTHON_FLAGS = ["-O2", "-g0", "-ffp-contract=off", "-fvisibility=hidden"]
INSTRUMENT_C, INSTRUMENT_CYTHON, INSTRUMENT_LINK = instruments.flags()
WARNINGS = ["-Wall", "-Wextra"] + (["-Werror"] if os.environ.get("NNCORE_WERROR") == "1" else [])
# What Cython generates is not ours to keep free of unused functions.
CYTHON_WARNINGS = [*WARNINGS, "-Wno-unused-function", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]

OPENMP_COMPILE, OPENMP_LINK = compilers.openmp_flags()


class BuildLibraries(build_clib):
    """Compiles the libraries side by side: the variants take the longest, and none needs another."""

    def build_libraries(self, libraries):
        compilers.use_clang_cl(self.compiler)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done in [pool.submit(super(BuildLibraries, self).build_libraries, [library]) for library in libraries]:
                done.result()


class BuildExtensions(build_ext):
    """Relinks when a static library is newer, which setuptools alone does not notice."""

    def run(self):
        self.run_command("build_clib")
        folder = pathlib.Path(self.get_finalized_command("build_clib").build_clib)
        for extension in self.extensions:
            extension.depends += [str(p) for pattern in ("*.a", "*.lib") for p in folder.glob(pattern)]
        super().run()

    def build_extensions(self):
        compilers.use_clang_cl(self.compiler)
        if sys.platform.startswith("linux") and not (self.inplace or self.editable_mode):
            for extension in self.extensions:  # names of functions serve those who build in place
                extension.extra_link_args = [*extension.extra_link_args, "-Wl,-s"]
        super().build_extensions()


class BuildSource(sdist):
    """Heeds SOURCE_DATE_EPOCH."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        if format != "gztar" or not os.environ.get("SOURCE_DATE_EPOCH"):
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)
        path = f"{base_name}.tar.gz"
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        archives.write(path, base_dir, int(os.environ["SOURCE_DATE_EPOCH"]))
        return path


class BuildWheel(bdist_wheel):
    """Adds the bill of materials, and gives files the modes that they have everywhere: those of a checkout differ."""

    def write_wheelfile(self, wheelfile_base, *arguments, **options):
        super().write_wheelfile(wheelfile_base, *arguments, **options)
        sbom.write(pathlib.Path(wheelfile_base), self.distribution.get_version(), bool(OPENMP_LINK))
        for path in pathlib.Path(self.bdist_dir).rglob("*"):
            path.chmod(0o755 if path.is_dir() or path.suffix in (".so", ".pyd") else 0o644)


def library(name, sources, flags):
    """An entry of setup's `libraries`."""
    sources = [str(SOURCES / s) for s in sources]
    return (
        name,
        {
            "sources": sources,
            "macros": MACRO,
            "obj_deps": {"": HEADERS},
            "cflags": compilers.flags(*FLAGS, *WARNINGS) + flags + compilers.flags(*INSTRUMENT_C),
        },
    )


# The common code first: a static library is searched for what those before it lack.
libraries = [library("nncore_common", ["dispatch.c", "forks.c", "random.c", "threads.c"], OPENMP_COMPILE)]
libraries += [
    library(f"nncore_{name}", [f"variants/{name}.c"], compilers.flags(*flags)) for name, flags in VARIANTS.items()
]


def extension(name, **options):
    """A Cython extension of the package."""
    return Extension(
        f"nncore.{name}",
        [f"nncore/{name}.pyx"],
        include_dirs=[numpy.get_include()],
        define_macros=[*MACRO, ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        # src_c for includes in quotes alone: its windows.h is not the system's.
        extra_compile_args=compilers.flags(
            f"-iquote{SOURCES}", *CYTHON_FLAGS, *CYTHON_WARNINGS, *INSTRUMENT_CYTHON
        ),
        extra_link_args=[*OPENMP_LINK, *INSTRUMENT_LINK],
        **options,
    )


setup(
    libraries=libraries,
    ext_modules=cythonize(
        [extension(name, depends=HEADERS) for name in ("_engine", "_calls", "_kernels", "embed")],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "freethreading_compatible": True,
            "initializedcheck": False,
        },
    ),
    cmdclass={
        "build_clib": BuildLibraries,
        "build_ext": BuildExtensions,
        "bdist_wheel": BuildWheel,
        "sdist": BuildSource,
    },
)
