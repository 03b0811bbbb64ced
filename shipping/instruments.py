"""Flags of builds that watch themselves: for the compiler's sanitizers, and for counting which lines run."""

import os

SANITIZERS = [name for name in os.environ.get("NNCORE_SANITIZE", "").split(",") if name]
COVERAGE = os.environ.get("NNCORE_COVERAGE") == "1"


def flags():
    """The compiler's flags, behind the others, of which they take the place, and the linker's."""
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
    if COVERAGE:
        # -O3 leaves too few lines to count, and makes many of one.
        compile_flags += ["-Og", "--coverage", "-fprofile-update=atomic"]
        link_flags += ["--coverage"]
    return compile_flags, link_flags
