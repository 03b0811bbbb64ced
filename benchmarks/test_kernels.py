"""The cases of kernels.py under pytest-benchmark: a round is `calls` calls, as extra_info says.

Kernels use one core; NumPy's BLAS uses what it started with: set OPENBLAS_NUM_THREADS=1 for a fair comparison.
"""

import pytest

from nncore import _engine

from . import kernels

LISTED = kernels.listed_cases()
CASES = {**kernels.product_cases(), **kernels.pass_cases(), **LISTED}
CONTENDERS = [
    (name, contender) for name in CASES for contender in [*_engine.variants(), *([] if name in LISTED else ["numpy"])]
]


@pytest.mark.parametrize(
    ("name", "contender"), CONTENDERS, ids=lambda part: part if isinstance(part, str) else " ".join(map(str, part))
)
def test_kernel(benchmark, name, contender):
    case = CASES[name]()
    benchmark.group = " ".join(map(str, name))
    benchmark.extra_info["calls"] = case.calls
    measure = case.contenders(_engine.variants())[contender]
    benchmark.pedantic(measure, (case.calls,), rounds=7, warmup_rounds=1)
    if benchmark.stats:
        seconds = benchmark.stats.stats.median / case.calls
        benchmark.extra_info |= {"seconds_per_call": seconds, **kernels.rates(case, seconds)}
