"""Memory: the training loop allocates nothing, and what a process holds does not grow with what it has trained."""

import os
import pathlib
import platform
import shutil
import subprocess
import sys
import textwrap

import pytest

from nncore import _engine

LIMIT = 1 << 20  # bytes that a process may grow by: 20,000 calls that keep 64 bytes each would be more

# Loaded before the C library, it stands in front of it. What the C library's own functions ask of it is not seen, so
# that a call counts once. __libc_* are glibc's other names for its functions.
COUNTER = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

_Atomic long allocations_counted;

#define COUNT atomic_fetch_add(&allocations_counted, 1)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) { return COUNT, __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return COUNT, __libc_calloc(count, size); }
void *realloc(void *memory, size_t size) { return COUNT, __libc_realloc(memory, size); }
void *memalign(size_t alignment, size_t size) { return COUNT, __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return COUNT, __libc_memalign(alignment, size); }

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    COUNT;
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    COUNT;
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));
"""

# Everything that a plan can hold is in the model. Python takes its memory from malloc too (PYTHONMALLOC), so that an
# object made in the loop would be counted.
COUNTED = """
    import ctypes, gc, math, mmap, os, sys
    import numpy as np
    import nncore as nn
    import nncore._plan, nncore.models.training

    counter = ctypes.c_long.in_dll(ctypes.CDLL(None), "allocations_counted")
    threads = int(sys.argv[1])
    gc.disable()
    nn.config.set_num_threads(threads)
    nn._engine.set_pacing(False)
    nncore._plan.FLOPS_PER_THREAD = 1

    random = np.random.default_rng(0)
    x = random.integers(0, 256, (80_000, 20)).astype(np.uint8)
    y = random.integers(0, 3, 80_000)
    weight = random.random(80_000)

    def build(optimizer, dtype):
        model = nn.Sequential([
            nn.Input((20,)),
            nn.layers.Rescaling(1 / 255),
            nn.layers.Dense(40, activation="relu"),
            nn.layers.Dropout(0.2),
            nn.layers.Dense(16, activation="tanh"),
            nn.layers.Dense(3, activation="softmax"),
        ], dtype=dtype)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(model, steps):
        rows = slice(8 * steps)
        model.fit(x[rows], y[rows], batch_size=8, sample_weight=weight[rows], verbose=0)

    def counted(function, *arguments, **options):
        # the least of some calls: Python takes an object now from its free lists, now from malloc
        counts = []
        for _ in range(3):
            before = counter.value
            function(*arguments, **options)
            counts.append(counter.value - before)
        return min(counts)

    # the counter sees what it should
    assert counted(np.empty, 1 << 20) > 0
    assert counted(mmap.mmap, -1, 1 << 20) > 0
    assert counted(lambda: [object() for _ in range(100)]) >= 100

    models = [
        (nn.optimizers.Adam(), "float32"),
        (nn.optimizers.RMSprop(), "float64"),
        (nn.optimizers.SGD(0.01, momentum=0.9), "float32"),
    ]
    # Python makes no object for integers of at most 256. Two threads on a busy machine are slow without pacing.
    few, many = 300, 10_000 if threads == 1 else 2_500
    for optimizer, dtype in models if threads == 1 else models[:1]:
        model = build(optimizer, dtype)
        nncore.models.training.SLICE_SECONDS = math.inf  # one slice: Python is entered once an epoch
        fit(model, many)
        print("fit", *[counted(fit, model, steps) for steps in (few, many)])
        # the plan alone, bound to the data of the last call
        options = {"minibatch": 8, "counter": model.optimizer.counter, "learning_rate": 0.001, "threads": threads}
        options["order"] = random.permutation(8 * many)
        run = model._program("train", 8, (True,)).builder.plan.run
        print("plan", *[counted(run, 8 * steps, **options) for steps in (few, many)])
        nncore.models.training.SLICE_SECONDS = 0.0  # Python for each minibatch
        print("slices", *[counted(fit, model, steps) for steps in (50, 100)])
    assert len(os.listdir("/proc/self/task")) >= threads, "the threads were not there"
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    """The path of the library that counts."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("counting allocations needs Linux with glibc")
    compiler = next((path for path in map(shutil.which, ("cc", "gcc", "clang")) if path), None)
    if compiler is None:
        pytest.skip("counting allocations needs a C compiler")
    folder = tmp_path_factory.mktemp("counter")
    source, library = folder / "counter.c", folder / "counter.so"
    source.write_text(COUNTER)
    subprocess.run([compiler, "-O1", "-fno-builtin", "-shared", "-fPIC", "-o", library, source], check=True)
    env = {**os.environ, "LD_PRELOAD": str(library)}
    look = "import ctypes; ctypes.c_long.in_dll(ctypes.CDLL(None), 'allocations_counted')"
    if subprocess.run([sys.executable, "-c", look], env=env, capture_output=True, check=False).returncode:
        pytest.skip("this system loads no library before others (LD_PRELOAD)")
    return library


def run(code, *arguments, **environment):
    """Runs code in a fresh interpreter; returns what it printed, line by line in words."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    env = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_loop_over_minibatches_allocates_nothing(counter, threads):
    """As many allocations in a call with 300 minibatches as in one with many more."""
    if threads > 1 and not _engine.threading().startswith("OpenMP"):
        pytest.skip("built without OpenMP: one thread")
    lines = run(COUNTED, threads, LD_PRELOAD=str(counter), PYTHONMALLOC="malloc")
    counts = {what: [(int(few), int(many)) for w, few, many in lines if w == what] for what, *_ in lines}
    assert sorted(counts) == ["fit", "plan", "slices"]
    assert all(few == many for few, many in counts["plan"]), counts
    assert all(abs(many - few) <= 10 for few, many in counts["fit"]), counts  # objects of Python around the plan
    assert all(many - few > 50 for few, many in counts["slices"]), "Python in the loop was not noticed"


GROWTH = """
    import gc, os, sys
    import numpy as np
    import nncore as nn

    random = np.random.default_rng(0)
    x = random.standard_normal((1000, 4)).astype(np.float32)
    y = random.integers(0, 3, 1000)
    part, labels, dy = x[:8], y[:8], random.standard_normal((8, 3)).astype(np.float32)
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(8, activation="relu"), nn.layers.Dense(3)])
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    kept = []

    def fit(calls):
        model.fit(x, y, batch_size=1, epochs=calls // 1000, verbose=0)

    def train_on_batch(calls):
        for _ in range(calls):
            model.train_on_batch(part, labels)

    def predict_on_batch(calls):
        for _ in range(calls):
            model.predict_on_batch(part)

    def forward_and_backward(calls):
        for _ in range(calls):
            model.forward(part)
            model.backward(dy)

    def leak(calls):
        for _ in range(calls):
            kept.append(bytes(31))  # 64 bytes, and 8 in the list

    def resident():
        gc.collect()
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    functions = {f.__name__: f for f in (fit, train_on_batch, predict_on_batch, forward_and_backward, leak)}
    function, calls = functions[sys.argv[1]], int(sys.argv[2])
    function(calls // 5)
    before = resident()
    function(calls)
    print(resident() - before)
"""

needs_statm = pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="needs Linux's /proc")


@needs_statm
@pytest.mark.parametrize(
    ("what", "calls"),
    [("fit", 100_000), ("train_on_batch", 20_000), ("predict_on_batch", 20_000), ("forward_and_backward", 20_000)],
)
def test_memory_does_not_grow(what, calls):
    assert int(run(GROWTH, what, calls)[0][0]) < LIMIT


@needs_statm
def test_a_leak_of_64_bytes_a_call_would_be_seen():
    assert int(run(GROWTH, "leak", 20_000)[0][0]) > LIMIT
