"""Compilers: which processor is built for, OpenMP's flags, and clang-cl in the place of MSVC's own compiler."""

import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile

WINDOWS = sys.platform == "win32"


def machine():
    """The processor that the build is for: x86_64, amd64, aarch64, arm64, or what the system calls another one."""
    if sys.maxsize < 2**32:
        return "of 32 bits"
    here = platform.machine().lower()
    wanted = sysconfig.get_platform()  # which names another one than this machine's where cibuildwheel asks for it
    if wanted.endswith("universal2"):
        # Code of variants is of one processor. Python's own flags ask for two unless this says otherwise.
        os.environ.setdefault("ARCHFLAGS", f"-arch {here}")
    return next((name for name in ("x86_64", "amd64", "aarch64", "arm64") if wanted.endswith(name)), here)


def clang_cl():
    """The path of clang-cl: the kernels are written for GCC and Clang, whose vectors MSVC's own compiler lacks."""
    found = shutil.which(os.environ.get("CC") or "clang-cl")
    if found is None:
        raise SystemExit("nncore: on Windows the compiler must be clang-cl, of LLVM, in PATH or in CC; there is none")
    return pathlib.Path(found)


def use_clang_cl(compiler):
    """Has a compiler of setuptools, which is MSVC's where nobody asked for another one, compile by clang-cl."""
    if compiler.compiler_type == "msvc":
        if not compiler.initialized:
            compiler.initialize()
        compiler.cc = str(clang_cl())


def flags(*unix):
    """Flags of GCC and Clang as this system's compiler takes them."""
    return [f"/clang:{flag}" for flag in unix] if WINDOWS else list(unix)


def openmp_flags():
    """The compiler's and the linker's flags for OpenMP; two empty lists where a test program does not build.

    NNCORE_REQUIRE_OPENMP=1 makes that an error, for wheels.
    """
    program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
    choices = [(["-fopenmp"], ["-fopenmp"])]
    if WINDOWS:
        choices = [(["/openmp"], [str(clang_cl().parents[1] / "lib" / "libomp.lib")])]
    elif sys.platform == "darwin":
        choices.insert(0, (["-Xpreprocessor", "-fopenmp"], ["-lomp"]))
    said = ""
    for compile_flags, link_flags in choices:
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "probe.c")
            source.write_text(program)
            try:
                done = subprocess.run(_command(source, compile_flags, link_flags), capture_output=True, text=True,
                                      check=False, cwd=folder)  # fmt: skip
            except OSError as error:
                said = str(error)
                continue
            if done.returncode == 0:
                return compile_flags, link_flags
            said = done.stderr
    if os.environ.get("NNCORE_REQUIRE_OPENMP") == "1":
        raise SystemExit(f"nncore: NNCORE_REQUIRE_OPENMP=1, and a program with OpenMP does not build: {said}")
    print("nncore: the compiler has no OpenMP; building for one thread", file=sys.stderr)
    return [], []


def _command(source, compile_flags, link_flags):
    """The command that makes a program of one source, with the flags of the environment, as setuptools heeds them."""
    if WINDOWS:
        return [str(clang_cl()), *compile_flags, str(source), "/link", *link_flags]
    given = {name: shlex.split(os.environ.get(name, "")) for name in ("CPPFLAGS", "CFLAGS", "LDFLAGS", "ARCHFLAGS")}
    return [*shlex.split(os.environ.get("CC", "cc")), *given["CPPFLAGS"], *given["CFLAGS"], *given["ARCHFLAGS"],
            *compile_flags, str(source), "-o", str(source.with_suffix("")), *given["LDFLAGS"],
            *link_flags]  # fmt: skip
