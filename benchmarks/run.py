"""What every section needs to measure: how long, on how many threads, beside whom, and the machine's limits."""

import functools

import nncore as nn

from . import contenders, peak, timing


class Run:
    """One run of `python -m benchmarks`.

    Parameters
    ----------
    contenders : Contenders
    threads : int, optional
        What training and prediction may use; nncore's default unless given.
    quick : bool
        Few cases and short times.
    mnist : pathlib.Path, optional
        The folder with MNIST's files.
    """

    def __init__(self, contenders, threads=None, quick=False, mnist=None):
        self.contenders, self.quick, self.mnist = contenders, quick, mnist
        self.threads = threads or nn.config.get_num_threads()
        self.variant = nn.config.variant()
        self.seconds, self.rounds = (0.03, 3) if quick else (0.3, 5)
        try:
            self.limits, self.no_limits = peak.Limits(self.variant), None
        except peak.NoCompilerError as error:
            self.limits, self.no_limits = None, str(error)

    @property
    def thread_counts(self):
        """All threads, and one."""
        return sorted({self.threads, 1}, reverse=True)

    @functools.cache  # noqa: B019
    def measured(self, cores):
        """What `Limits.measure` returns; None without a compiler."""
        return self.limits and self.limits.measure(cores)

    def peak(self, cores):
        """float32 multiply-adds of so many cores, FLOP/s; None without a compiler."""
        measured = self.measured(cores)
        return measured and measured["gflops"]["float32"] * 1e9

    def share(self, flops, seconds, cores):
        """The share of that peak; None where either is not known."""
        limit = self.peak(cores)
        return flops / seconds / limit if limit and seconds else None

    def measure(self, works):
        """Medians over the rounds, and the rounds: seconds of a call, by label of the works."""
        rounds = self.contenders.take_turns(works, self.seconds, self.rounds)
        return timing.medians(rounds), rounds

    def work(self, name, what, threads=None, **arguments):
        """Work for one library, with all threads unless told."""
        return contenders.Work(name, threads or self.threads, what, arguments)
