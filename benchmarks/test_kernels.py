"""The cases of kernels.py under pytest-benchmark: a benchmark's round is `calls` calls, as extra_info says."""

import pytest

from nncore import _engine

from . import kernels, timing

CASES = {**kernels.product_cases(), **kernels.pass_cases()}


@pytest.mark.parametrize("contender", [*_engine.variants(), "numpy"])
@pytest.mark.parametrize("name", CASES, ids=lambda name: "-".join(map(str, name)))
def test_kernel(benchmark, name, contender):
    case = CASES[name]()
    measure = case.contenders(_engine.variants())[contender]
    calls = timing.calls_lasting(measure, 0.002)
    benchmark.group = " ".join(map(str, name))
    benchmark.pedantic(measure, (calls,), rounds=7, warmup_rounds=1)
    benchmark.extra_info["calls"] = calls
    if benchmark.stats:
        seconds = benchmark.stats.stats.median / calls
        benchmark.extra_info["seconds_per_call"] = seconds
        benchmark.extra_info.update(kernels._rates(case, contender, seconds, None))
