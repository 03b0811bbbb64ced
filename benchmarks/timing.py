"""Medians of contenders that take turns, so that a disturbance of the machine meets them all."""

import statistics
import time


def calls_lasting(measure, seconds):
    """How many calls take about `seconds`, found by trying; warms up on the way.

    Parameters
    ----------
    measure : function
        From a number of calls to the mean seconds of one.
    """
    measure(1)
    calls = 1
    while True:
        lasted = measure(calls) * calls
        if lasted >= seconds / 4:
            return max(1, round(calls * seconds / lasted))
        calls = max(2 * calls, min(10 * calls, int(calls * seconds / max(lasted, 1e-9))))


def take_turns(contenders, seconds, rounds, pause=0.0):
    """The seconds of one call in each round, by contender.

    Parameters
    ----------
    contenders : dict
        From a name to a function as `calls_lasting` takes it.
    seconds : float
        How long a contender's turn lasts, at least one call.
    rounds : int
    pause : float
        Seconds before each turn, in which the threads of the last one stop waiting for work.
    """
    calls = {name: calls_lasting(measure, seconds) for name, measure in contenders.items()}
    times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            time.sleep(pause)
            times[name].append(measure(calls[name]))
    return times


def medians(times):
    """The median of each contender's rounds."""
    return {name: statistics.median(values) for name, values in times.items()}
