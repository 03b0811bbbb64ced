"""The cases of steps.py under pytest-benchmark: a benchmark's round is one epoch.

Here all libraries share this process, with the threads that it started with: run one at a time with -k to compare
them, or `python -m benchmarks`, which gives each a process of its own.
"""

import pytest

import nncore as nn

from . import peers, steps


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("contender", peers.PEERS)
@pytest.mark.parametrize(("sizes", "batch"), steps.CONFIGURATIONS, ids=lambda part: str(part).replace(" ", ""))
def test_epoch(benchmark, sizes, batch, contender):
    if contender not in peers.installed():
        pytest.skip(f"{contender} is not installed")
    train = peers.PEERS[contender][0](sizes, batch, nn.config.get_num_threads())
    benchmark.group = steps.name_of(sizes, batch)
    benchmark.pedantic(train, (1,), rounds=7, warmup_rounds=2)
    benchmark.extra_info["steps"] = peers.ROWS // batch
    if benchmark.stats:
        benchmark.extra_info["seconds_per_step"] = benchmark.stats.stats.median * batch / peers.ROWS
