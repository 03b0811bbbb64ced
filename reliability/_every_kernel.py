"""Calls every kernel of every variant that this machine can run, with all cases of the tests: for counting lines."""

import sys

from reliability import ROOT

sys.path.insert(0, str(ROOT / "tests"))


def main() -> None:
    """What comes out is the tests' matter."""
    from cases import cases
    from guarded import PlainMemory
    from harness import DTYPES, Native, outcome

    from nncore import _engine

    memory, calls = PlainMemory(), 0
    for variant in _engine.variants():
        runner = Native(variant)
        for kernel in _engine.KERNELS:
            for dtype in DTYPES:
                for case in cases(kernel, dtype, timed=False):
                    outcome(case, runner, memory)
                    calls += 1
    print(f"{calls} calls of {len(_engine.KERNELS)} kernels in {len(_engine.variants())} variants")


if __name__ == "__main__":
    main()
