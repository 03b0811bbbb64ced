"""Flags of builds that watch themselves: for the compiler's sanitizers, and for counting which lines run."""

import os

SANITIZERS = [name for name in os.environ.get("NNCORE_SANITIZE", "").split(",") if name]
COVERAGE = os.environ.get("NNCORE_COVERAGE") == "1"


def flags():
    """The flags for src_c and those for Cython, behind the others, of which they take the place; and the linker's."""
    compile_flags, link_flags = [], []
    if SANITIZERS:
        # float-cast-overflow is not among what "undefined" stands for, and CPython's own -fwrapv would hide overflows.
        names = ",".join([*SANITIZERS, *(["float-cast-overflow"] if "undefined" in SANITIZERS else [])])
        link_flags += [f"-fsanitize={names}"]
        # -Og, as GCC 12 fails at -O1 with ThreadSanitizer.
        compile_flags += [*link_flags, "-Og", "-g1", "-fno-omit-frame-pointer", "-fno-wrapv"]
        if "address" in SANITIZERS:
            # It halves the compiler's time: a null pointer crashes anyway, and AddressSanitizer knows objects' sizes.
            compile_flags += ["-fno-sanitize=null,object-size", "--param=asan-instrumentation-with-call-threshold=50"]
    # -O3 leaves too few lines to count, and makes many of one.
    counters = ["-Og", "--coverage", "-fprofile-update=atomic"] if COVERAGE else []
    return compile_flags + counters, compile_flags, link_flags + (["--coverage"] if COVERAGE else [])
