"""Forks, start methods, ends of processes, subinterpreters, and systems that have no room for threads."""

import os
import re
import sys
import textwrap

import pytest
from programs import PRELUDE, run

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

# `in_child(function)`: what it returns in a forked process, as text; waits 60 seconds at most.
FORKS = (
    PRELUDE
    + """
import select

def in_child(function):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], 60)
    if not ready:
        os.kill(child, 9)
    os.waitpid(child, 0)
    return os.read(reader, 1000).decode() if ready else "hangs"

def trained():
    import hashlib
    model = build()
    model.fit(X, Y, verbose=0)
    model.predict(X, verbose=0)
    return hashlib.sha256(bits(model)).hexdigest()

def same_in_child():
    own, threads = trained(), len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 0
    assert in_child(trained) == own == trained()
    return threads
"""
)


@needs_fork
@pytest.mark.parametrize(
    "code",
    [
        "print(in_child(trained) == trained())",  # before anything was trained
        "same_in_child(); print(True)",
        "trained(); print(in_child(same_in_child) == in_child(same_in_child) != 'hangs')",  # a child of a child
        # a thread that has trained forks, and its function returns in the child, too
        """
        def work():
            trained()
            if os.fork():
                print(os.wait()[1] == 0)
            else:
                trained()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """,
        # the thread that calls fork() is not the one that trains
        """
        end = threading.Event()
        model = build(1)
        def work():
            while not end.is_set():
                model.fit(X, Y, verbose=0)
        thread = threading.Thread(target=work)
        thread.start()
        own = trained()
        print({in_child(trained) for _ in range(5)} == {own})
        end.set()
        thread.join()
        """,
        # a layer in Python forks, in the middle of a region
        """
        own, said = trained(), []
        class Forks(nn.layers.Layer):
            def forward(self, x, training=False):
                said.append(in_child(trained))
                return x
            def backward(self, dy):
                return dy
        model = build(2, Forks())
        model.train_on_batch(X, Y)
        model.train_on_batch(X, Y)
        print(said == [own, own])
        """,
    ],
    ids=["before", "after", "twice", "from a thread", "beside a thread", "inside a region"],
)
def test_a_forked_child_trains_as_its_parent_does(code):
    assert run(code, prelude=FORKS) == "True"


@needs_fork
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_forked_child_trains_after_another_user_of_the_runtime(when):
    """Others that have the same OpenMP runtime leave a pool behind that hangs, also where nncore was not there yet."""
    maps = run("import nncore; print(open('/proc/self/maps').read())") if sys.platform == "linux" else ""
    runtimes = set(re.findall(r"/\S*libgomp\S*", maps))
    if len(runtimes) != 1:
        pytest.skip("the runtime is not GNU's")
    code = f"""
        import ctypes, os, select
        import numpy
        WHEN = {when!r}
        if WHEN == "before":
            import nncore
        runtime = ctypes.CDLL({runtimes.pop()!r})
        runtime.GOMP_parallel(ctypes.cast(runtime.omp_get_num_threads, ctypes.c_void_p), None, 3, 0)
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            exec({PRELUDE!r})
            build().fit(X, Y, verbose=0)
            os.write(writer, b"trained")
            os._exit(0)
        print(os.read(reader, 7).decode() if select.select([reader], [], [], 60)[0] else "hangs")
    """
    assert run(code) == "trained"


def test_all_start_methods(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        PRELUDE
        + textwrap.dedent("""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        def work(model):
            model.fit(X, Y, verbose=0)
            return model, bits(model)

        if __name__ == "__main__":
            alone = [build(seed) for seed in range(2)]
            for model in alone:
                work(model)
            for method in multiprocessing.get_all_start_methods():
                with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
                    for mine, (theirs, said) in zip(alone, pool.map(work, [build(seed) for seed in range(2)])):
                        assert bits(mine) == said == bits(theirs), method
            print("same")
    """)
    )
    assert run(f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')") == "same"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_no_room_for_threads():
    """GNU's OpenMP would end the process: 'Thread creation failed'."""
    code = """
        import resource
        whole, model = build(), build()
        whole.fit(X, Y, epochs=2, verbose=0)
        nn.config.set_num_threads(1)
        model.fit(X, Y, verbose=0)
        nn.config.set_num_threads(64)
        size = 4096 * int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (size + 2**25, size + 2**25))
        model.fit(X, Y, verbose=0)
        print(bits(model) == bits(whole))
    """
    assert run(code, prelude=PRELUDE, OPENBLAS_NUM_THREADS="1") == "True"


def test_no_thread_for_minibatches():
    code = """
        def start(self):
            raise RuntimeError("can't start new thread")
        def batches():
            for begin in range(0, 500, 100):
                time.sleep(0.001)
                yield X[begin:begin + 100], Y[begin:begin + 100]
        whole, model = build(), build()
        whole.fit(batches(), verbose=0)
        threading.Thread.start = start
        model.fit(batches(), verbose=0)
        print(bits(model) == bits(whole))
    """
    assert run(code, prelude=PRELUDE) == "True"


def test_signals_while_a_thread_for_minibatches_starts():
    code = """
        started = threading.Thread.start
        def start(self):
            started(self)
            raise RuntimeError("cannot release un-acquired lock")  # as Python's own, where two signals strike a lock
        def batches():
            while True:
                time.sleep(0.001)
                yield X[:100], Y[:100]
        model = build()
        threading.Thread.start = start
        try:
            model.fit(batches(), steps_per_epoch=20, verbose=0)
        except RuntimeError as error:
            print(error)
        threading.Thread.start = started
        model.fit(batches(), steps_per_epoch=20, verbose=0)
    """
    assert run(code, prelude=PRELUDE) == "cannot release un-acquired lock"


@pytest.mark.parametrize("work", [
    "model.fit(X, Y, epochs=10**9, verbose=0)",
    "model.fit(batches(), steps_per_epoch=10**9, verbose=0)",
    "build(0, Doubled()).fit(X, Y, epochs=10**9, verbose=0)",
])  # fmt: skip
def test_the_interpreter_ends_while_a_daemon_thread_trains(work):
    code = f"""
        class Doubled(nn.layers.Layer):
            def forward(self, x, training=False):
                return 2 * x
            def backward(self, dy):
                return 2 * dy
        def batches():
            while True:
                time.sleep(0.0005)
                yield X, Y
        model = build()
        threading.Thread(target=lambda: {work}, daemon=True).start()
        time.sleep(0.1)
        print("end")
    """
    assert run(code, prelude=PRELUDE) == "end"


def test_exits_from_callbacks_and_from_threads():
    code = """
        class Exits(nn.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 3:
                    sys.exit(7)
        model, said = build(), []
        for place in ("main", "thread"):
            def work():
                try:
                    model.fit(X, Y, verbose=0, callbacks=[Exits()])
                except SystemExit as error:
                    said.append(error.code)
            if place == "main":
                work()
            else:
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
        model.predict(X, verbose=0)
        print(said, model.optimizer.iterations)
    """
    assert run(code, prelude=PRELUDE) == "[7, 7] 8"


@pytest.mark.parametrize("first", ["import nncore", "pass"])
def test_subinterpreters_are_refused(first):
    code = f"""
        import sys
        try:
            import _interpreters
        except ImportError:
            import _xxsubinterpreters as _interpreters  # before Python 3.13
        {first}
        code = "import sys; sys.path[:] = " + repr(sys.path) + '''
        try:
            import nncore
        except ImportError as error:
            assert "cannot be imported in a subinterpreter" in str(error), error
            print("refused", flush=True)
        '''
        for _ in range(2):
            interpreter = _interpreters.create()
            assert _interpreters.run_string(interpreter, code.replace("\\n        ", "\\n")) is None
        import nncore as nn
        nn.Sequential([nn.Input((3,)), nn.layers.Dense(2)]).predict([[1, 2, 3]], verbose=0)
        print("used")
    """
    assert run(code).split() == ["refused", "refused", "used"]


def test_joblib(tmp_path):
    """scikit-learn's processes and threads: models that go there and back."""
    pytest.importorskip("joblib")
    program = tmp_path / "program.py"
    program.write_text(
        PRELUDE
        + textwrap.dedent("""
        import joblib

        def work(model):
            model.fit(X, Y, verbose=0)
            return model

        if __name__ == "__main__":
            alone = [work(build(seed)) for seed in range(4)]
            for backend in ("loky", "threading"):
                made = joblib.Parallel(2, backend=backend)(joblib.delayed(work)(build(seed)) for seed in range(4))
                assert list(map(bits, made)) == list(map(bits, alone)), backend
            print("same")
    """)
    )
    assert run(f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')") == "same"
