"""clang-tidy over src_c, by the rules of .clang-tidy: the common code and each variant of this kind of machine.

    python -m reliability.tidy [--quick]

``--quick`` leaves out the variants for AVX-512, whose kernels are the templates of the others. clang-tidy is looked for
beside this interpreter and on the path (the extra "lint" has it).
"""

import argparse
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from reliability import ROOT

COMMON = ("dispatch.c", "threads.c", "random.c")
AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma")
MACHINES = {  # as setup.py: the macro of a machine, and the flags of its variants
    "x86_64": ("NN_X86_64", {"generic": (), "avx2": ("-mavx2", "-mfma"), "avx512": AVX512,
                             "bfloat16": (*AVX512, "-mavx512bf16")}),
    "aarch64": ("NN_AARCH64", {"generic": (), "neon": ()}),
}  # fmt: skip
ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}


def omp_header() -> pathlib.Path | None:
    """The compiler's omp.h, which clang-tidy does not bring along; None where there is none."""
    compiler = os.environ.get("CC", "cc").split()
    if shutil.which(compiler[0]) is None:
        return None
    said = subprocess.run([*compiler, "-print-file-name=include/omp.h"], capture_output=True, text=True, check=False)
    header = pathlib.Path(said.stdout.strip())
    return header if header.is_absolute() and header.exists() else None


def jobs(quick: bool, headers: pathlib.Path) -> list[list[str]]:
    """Arguments for clang-tidy, the longest runs first."""
    machine = platform.machine().lower()
    macro, variants = MACHINES[ALIASES.get(machine, machine)]
    openmp = []
    header = omp_header()
    if header is not None:
        (headers / "omp.h").symlink_to(header)  # alone: the compiler's other headers are not clang's
        openmp = ["-fopenmp", "-isystem", str(headers)]
    common = ["-std=c11", f"-D{macro}=1"]
    wanted = [(f"variants/{name}.c", flags) for name, flags in variants.items()
              if not (quick and name in ("avx512", "bfloat16"))]  # fmt: skip
    return [["src_c/" + source, "--", *common, *flags] for source, flags in wanted] + [
        [*(f"src_c/{source}" for source in COMMON), "--", *common, *openmp]
    ]


def main() -> int:
    """Runs clang-tidy on all files side by side; 1 where it has found anything."""
    parser = argparse.ArgumentParser(prog="python -m reliability.tidy", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="without the variants for AVX-512")
    quick = parser.parse_args().quick
    beside = shutil.which("clang-tidy", path=os.path.dirname(sys.executable))
    program = beside or shutil.which("clang-tidy")
    if program is None:
        parser.error("clang-tidy is missing: pip install 'nncore[lint]'")

    def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, "--quiet", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(run, jobs(quick, pathlib.Path(folder))))
    findings = {line for one in done for line in one.stdout.splitlines() if "error:" in line or "warning:" in line}
    for one in done:
        if one.returncode:
            print(one.stdout, one.stderr, sep="")
    sources = sum(argument.endswith(".c") for one in done for argument in one.args)
    print(f"clang-tidy: {sources} sources, {len(findings)} findings")
    return int(any(one.returncode for one in done))


if __name__ == "__main__":
    sys.exit(main())
