"""pytest-benchmark's JSON says what was measured on what."""

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config, machine_info):
    """Adds nncore's side of it: variant, threads, commit, versions."""
    from benchmarks import machine

    machine_info["nncore"] = machine.describe()
