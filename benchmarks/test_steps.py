"""The cases of steps.py under pytest-benchmark: a benchmark's round is one epoch.

Here all libraries share this process, with the threads that it started with: run one at a time with -k to compare
them, or `python -m benchmarks`, which gives each a process of its own.
"""

import pytest

import nncore as nn

from . import peers, steps


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("contender", peers.TRAINED)
@pytest.mark.parametrize(("sizes", "batch"), steps.CONFIGURATIONS, ids=lambda part: str(part).replace(" ", ""))
def test_epoch(benchmark, sizes, batch, contender):
    if contender not in peers.versions([contender]):
        pytest.skip(f"{contender} is not installed")
    task = peers.Task(sizes, batch)
    train = peers.training(contender, nn.config.get_num_threads(), **task._asdict())
    benchmark.group = str(task)
    benchmark.pedantic(train, (1,), rounds=7, warmup_rounds=2)
    benchmark.extra_info["steps"] = task.steps
    if benchmark.stats:
        benchmark.extra_info["seconds_per_step"] = benchmark.stats.stats.median / task.steps
