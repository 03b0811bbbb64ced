"""Builds src_c/ into static libraries, one per instruction set, and links them into the Cython extensions.

Everything else about the package stands in pyproject.toml. NNCORE_WERROR=1 makes warnings errors (CI sets it);
NNCORE_WITHOUT_AVX512=1 leaves out what takes half of the compiler's time, for work on other things.
NNCORE_SANITIZE=address,undefined or thread builds for the compiler's sanitizers, whose runtimes must then be loaded
before Python's: `python -m reliability.sanitizers` does both, in a folder of its own.
"""

import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext

SOURCES = pathlib.Path("src_c")
HEADERS = [str(p) for pattern in ("*.h", "*.def", "*/*.h") for p in SOURCES.glob(pattern)]

SANITIZERS = [name for name in os.environ.get("NNCORE_SANITIZE", "").split(",") if name]

MACHINE = platform.machine().lower()
if "thread" in SANITIZERS:
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
WARNINGS = ["-Wall", "-Wextra"] + (["-Werror"] if os.environ.get("NNCORE_WERROR") == "1" else [])
if SANITIZERS:
    # float-cast-overflow is not among what "undefined" stands for, and CPython's own -fwrapv would hide overflows.
    names = ",".join([*SANITIZERS, *(["float-cast-overflow"] if "undefined" in SANITIZERS else [])])
    SANITIZE_LINK = [f"-fsanitize={names}"]
    # -Og, as GCC 12 fails at -O1 with ThreadSanitizer.
    SANITIZE_COMPILE = [*SANITIZE_LINK, "-Og", "-g1", "-fno-omit-frame-pointer", "-fno-wrapv"]
    if "address" in SANITIZERS:
        # It halves the compiler's time: a null pointer crashes anyway, and AddressSanitizer knows objects' sizes.
        SANITIZE_COMPILE += ["-fno-sanitize=null,object-size", "--param=asan-instrumentation-with-call-threshold=50"]
else:
    SANITIZE_LINK = SANITIZE_COMPILE = []
# What Cython generates is not ours to keep free of unused functions.
CYTHON_WARNINGS = [*WARNINGS, "-Wno-unused-function", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]


def openmp_flags():
    """The compiler's and the linker's flags for OpenMP, or two empty lists where a test program does not build."""
    program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
    compiler = os.environ.get("CC", "cc").split()
    choices = [(["-fopenmp"], ["-fopenmp"])]
    if sys.platform == "darwin":
        choices.insert(0, (["-Xpreprocessor", "-fopenmp"], ["-lomp"]))
    for compile_flags, link_flags in choices:
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "probe.c")
            source.write_text(program)
            command = [*compiler, *compile_flags, str(source), "-o", str(source.with_suffix("")), *link_flags]
            try:
                if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                    return compile_flags, link_flags
            except OSError:
                pass
    print("nncore: the compiler has no OpenMP; building for one thread", file=sys.stderr)
    return [], []


OPENMP_COMPILE, OPENMP_LINK = openmp_flags()


class BuildLibraries(build_clib):
    """Compiles the libraries side by side: the variants take the longest, and none needs another."""

    def build_libraries(self, libraries):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done in [pool.submit(super(BuildLibraries, self).build_libraries, [library]) for library in libraries]:
                done.result()


class BuildExtensions(build_ext):
    """Relinks when a static library is newer, which setuptools alone does not notice."""

    def run(self):
        self.run_command("build_clib")
        folder = pathlib.Path(self.get_finalized_command("build_clib").build_clib)
        for extension in self.extensions:
            extension.depends += [str(p) for p in folder.glob("*.a")]
        super().run()


def library(name, sources, flags):
    """An entry of setup's `libraries`."""
    sources = [str(SOURCES / s) for s in sources]
    return (
        name,
        {
            "sources": sources,
            "macros": MACRO,
            "obj_deps": {"": HEADERS},
            "cflags": FLAGS + WARNINGS + flags + SANITIZE_COMPILE,
        },
    )


# The common code first: a static library is searched for what those before it lack.
libraries = [library("nncore_common", ["dispatch.c", "random.c", "threads.c"], OPENMP_COMPILE)]
libraries += [library(f"nncore_{name}", [f"variants/{name}.c"], flags) for name, flags in VARIANTS.items()]


def extension(name, **options):
    """A Cython extension of the package."""
    return Extension(
        f"nncore.{name}",
        [f"nncore/{name}.pyx"],
        include_dirs=[str(SOURCES), numpy.get_include()],
        define_macros=[*MACRO, ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=[*CYTHON_FLAGS, *CYTHON_WARNINGS, *SANITIZE_COMPILE],
        extra_link_args=[*OPENMP_LINK, *SANITIZE_LINK],
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
            "initializedcheck": False,
        },
    ),
    cmdclass={"build_clib": BuildLibraries, "build_ext": BuildExtensions},
)
