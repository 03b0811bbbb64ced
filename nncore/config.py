"""Threads, instruction sets, seeds: what holds for the whole process.

Environment variables, read at import: ``NNCORE_NUM_THREADS``, and ``NNCORE_ISA`` (``generic``, ``avx2``,
``avx512`` or ``neon``; the best that the machine can run unless given).
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Literal

from nncore import _cgroups, _checks, _engine
from nncore._calls import Setting, forget_calls
from nncore._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "bfloat16",
    "disable_traceback_filtering",
    "get_check_finite",
    "get_nonfinite",
    "get_num_threads",
    "get_prefetch",
    "get_seed",
    "is_traceback_filtering_enabled",
    "set_check_finite",
    "set_nonfinite",
    "set_num_threads",
    "set_prefetch",
    "set_seed",
    "show",
    "threads",
    "variant",
]


MOST_THREADS = 4096  # more cannot be meant, and where the system has no more to give, OpenMP ends the process


def _thread_count(owner: str, n: int) -> int:
    return _checks.positive_integer(owner, "the number of threads", n, MOST_THREADS)


def _default_threads() -> int:
    given = os.environ.get("NNCORE_NUM_THREADS")
    if given:
        try:
            return _thread_count("NNCORE_NUM_THREADS", int(given))
        except ValueError:
            raise ValueError(
                f"NNCORE_NUM_THREADS must be a whole number of at least 1, at most {MOST_THREADS}, not {given!r}"
            ) from None
    allowed = _engine.available_threads()
    quota = _cgroups.cpus()
    return allowed if quota is None else min(allowed, quota)


class _State:
    threads = _default_threads()
    seed = 0
    nonfinite = "raise"
    check_finite = False
    prefetch = True
    warned_of_bfloat16 = False


class _OfThread(threading.local):
    """What holds for calls from this Python thread alone; None for what holds for all."""

    threads: int | None = None
    seed: int | None = None


_OF_THREAD = _OfThread()


def _use_threads(n: int) -> None:
    _State.threads = n
    forget_calls()
    _engine.set_thread_budget(n)


_use_threads(_State.threads)


def set_num_threads(n: int) -> None:
    """Sets how many threads training and prediction may use.

    Results do not depend on it. By default it is what the affinity mask, ``OMP_NUM_THREADS`` and the cgroup's
    quota allow. Small models use fewer, where more would cost time. A lower limit that
    ``threadpoolctl.threadpool_limits`` sets for the calling thread is kept.

    Parameters
    ----------
    n : int, 1 to 4096
    """
    _use_threads(_thread_count("set_num_threads", n))


def get_num_threads() -> int:
    """Returns how many threads training and prediction may use."""
    return _State.threads if _OF_THREAD.threads is None else min(_OF_THREAD.threads, _State.threads)


def thread_limit(n: int) -> Setting:
    """In a `with`, calls from this Python thread use `n` threads at most; those from others are left alone."""
    return Setting(_OF_THREAD, "threads", n)


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    """Uses `n` threads inside a ``with`` block.

    >>> with nn.config.threads(1):
    ...     nn.config.get_num_threads()
    1
    """
    before = _State.threads
    set_num_threads(n)
    try:
        yield
    finally:
        _use_threads(before)


def variant() -> str:
    """Returns the name of the instruction-set variant in use: generic, avx2, avx512 or neon."""
    return _engine.variant()


def bfloat16() -> bool:
    """Returns whether large matrix products of "mixed_bfloat16" models are computed in bfloat16 here.

    That is where the processor has AVX-512's instructions for it, and the variant in use is ``avx512``.
    """
    return _engine.bfloat16()


def warn_without_bfloat16() -> None:
    """Warns, once in the life of the process, that "mixed_bfloat16" computes in float32 here."""
    if bfloat16() or _State.warned_of_bfloat16:
        return
    import warnings

    _State.warned_of_bfloat16 = True
    warnings.warn(
        "dtype='mixed_bfloat16' computes in float32: this processor, or the variant in use, does not multiply bfloat16",
        stacklevel=5,
    )


def set_seed(seed: int) -> None:
    """Seeds weights, dropout and shuffling of the models built afterwards without a seed of their own.

    Parameters
    ----------
    seed : int, 0 to 2**64 - 1
    """
    _State.seed = check_seed(seed)


def get_seed() -> int:
    """Returns the seed for models built without one; 0 unless set."""
    return _State.seed if _OF_THREAD.seed is None else _OF_THREAD.seed


def seed_of_thread(seed: int) -> Setting:
    """In a `with`, seeds what this Python thread builds, as `set_seed` does for all."""
    return Setting(_OF_THREAD, "seed", check_seed(seed))


def check_seed(seed: int) -> int:
    """Returns `seed` as an int of 0 to 2**64 - 1, or raises."""
    number = _checks.index_of(seed)
    if number is None:
        raise TypeError(f"a seed must be an integer, not {seed!r}")
    if not 0 <= number < 2**64:
        raise ValueError(f"a seed must lie between 0 and 2**64 - 1; got {number}")
    return number


def set_nonfinite(action: Literal["raise", "ignore"]) -> None:
    """Chooses what a loss that is NaN or infinite does.

    Parameters
    ----------
    action : "raise" or "ignore"
        "raise", the default: training stops with `NonFiniteLossError` before that minibatch changes a weight.
        "ignore": it goes on.
    """
    if not _checks.is_word(action, ("raise", "ignore")):
        raise ValueError(f"set_nonfinite takes 'raise' or 'ignore', not {action!r}")
    _State.nonfinite = action
    forget_calls()


def get_nonfinite() -> str:
    """Returns what a loss that is NaN or infinite does: "raise" or "ignore"."""
    return _State.nonfinite


def set_check_finite(check: bool) -> None:
    """Chooses whether inputs and targets are searched for NaN and infinities before they are used.

    Parameters
    ----------
    check : bool
        False by default, as it costs a pass over the data at each call.
    """
    _State.check_finite = _checks.boolean("set_check_finite", "check", check)
    forget_calls()


def get_check_finite() -> bool:
    """Returns whether inputs and targets are searched for NaN and infinities."""
    return _State.check_finite


def set_prefetch(ahead: bool) -> None:
    """Chooses whether a thread makes the next minibatch of a generator while the one before trains.

    Parameters
    ----------
    ahead : bool
        True by default. False for generators that only the thread may run that calls `fit`, or that read what training
        changes other than by calls of the model.
    """
    _State.prefetch = _checks.boolean("set_prefetch", "ahead", ahead)


def get_prefetch() -> bool:
    """Returns whether a thread makes the next minibatch of a generator while the one before trains."""
    return _State.prefetch


def _cache_sizes() -> str:
    """Sizes of the first processor's caches, as Linux states them."""
    import pathlib

    sizes = []
    for index in range(8):
        folder = f"/sys/devices/system/cpu/cpu0/cache/index{index}"
        try:
            level, kind, size = (
                pathlib.Path(folder, name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            break
        if kind != "Instruction":
            sizes.append(f"L{level} {size}")
    return ", ".join(sizes) or "unknown"


def _processor() -> str:
    import platform

    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _installation() -> dict[str, Any]:
    """What `show` prints, as JSON-able data."""
    import platform

    import numpy

    return {
        "nncore": __version__,
        "variant": variant(),
        "variants": list(_engine.variants()),
        "threads": get_num_threads(),
        "processors": os.cpu_count(),
        "threading": _engine.threading(),
        "processor": _processor(),
        "caches": _cache_sizes(),
        "compiler": _engine.compiler(),
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "NumPy": numpy.__version__,
    }


def show() -> None:
    """Prints version, variant, threads, caches and compiler."""
    rows = _installation()
    rows["variant"] += f" (this machine can run {', '.join(rows.pop('variants'))})"
    rows["threads"] = f"{rows['threads']} of {rows.pop('processors')} processors"
    for name, value in rows.items():
        print(f"{name + ':':11}{value}")


def disable_traceback_filtering() -> None:
    """Changes nothing, as tracebacks are whole: for scripts that ask for it."""


def is_traceback_filtering_enabled() -> bool:
    """Returns False: tracebacks are whole."""
    return False
