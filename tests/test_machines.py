"""Machines with few, old or hidden processors, and environments with little in them."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import nncore as nn
from nncore import _cgroups

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = pathlib.Path(nn.__file__).parent.parent
LINUX = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="affinity is Linux's")
COUNT = "import nncore as nn; print(nn.config.get_num_threads())"


def run(code, *before, path=HOME, **environment):
    """What Python's code prints, in a process whose command may have others before it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "NNCORE_"))}
    code = f"import os, sys; sys.path.insert(0, os.fsdecode({os.fsencode(path)!r}))\n{code}"
    done = subprocess.run([*before, sys.executable, "-"], input=code.encode("ascii"), capture_output=True, check=False,
                          timeout=120, env={**kept, **environment})  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode().strip()


def quota():
    return _cgroups.cpus() or 10**6


@LINUX
def test_threads_by_default():
    processors = sorted(os.sched_getaffinity(0))
    every = min(len(processors), quota())
    assert int(run(COUNT)) == every
    first = f"import os; os.sched_setaffinity(0, {{{processors[0]}}})\n"
    assert int(run(first + COUNT)) == 1
    if shutil.which("taskset"):
        assert int(run(COUNT, "taskset", "-c", str(processors[-1]))) == 1
    for name, value, expected in (("OMP_NUM_THREADS", "1", 1), ("OMP_NUM_THREADS", "1,4", 1),
                                  ("OMP_NUM_THREADS", "4,1", 4),
                                  ("OMP_NUM_THREADS", "0", every), ("OMP_NUM_THREADS", "rubbish", every),
                                  ("OMP_NUM_THREADS", "", every), ("OMP_NUM_THREADS", "-2", every),
                                  ("OMP_THREAD_LIMIT", "1", 1), ("OMP_THREAD_LIMIT", "0", every),
                                  ("NNCORE_NUM_THREADS", "7", 7), ("NNCORE_NUM_THREADS", "", every)):  # fmt: skip
        wanted = expected if name.startswith("NN") else min(expected, every)
        assert int(run(COUNT, **{name: value})) == wanted, (name, value)


def test_numbers_of_threads_that_nobody_can_mean():
    for value in ("4,2", "0", "9" * 30):
        with pytest.raises(AssertionError, match="NNCORE_NUM_THREADS must be a whole number"):
            run(COUNT, NNCORE_NUM_THREADS=value)
    before = nn.config.get_num_threads()
    for count in (4097, 2**31, 2**70):
        with pytest.raises(ValueError, match="at most 4096"):
            nn.config.set_num_threads(count)
    assert nn.config.get_num_threads() == before


def machine(root, groups, mounts, files):
    """A root with what Linux says of control groups."""
    for name, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return str(root)


V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1 = (
    "31 23 0:27 {} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 23 0:28 {} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
)


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "cpus", "memory"),
    [
        ("0::/", V2, {}, None, None),
        ("0::/", V2, {"sys/fs/cgroup/cpu.max": "150000 100000", "sys/fs/cgroup/memory.max": "max"}, 1, None),
        ("0::/", V2, {"sys/fs/cgroup/cpu.max": "max 100000", "sys/fs/cgroup/memory.max": "4096"}, None, 4096),
        ("0::/", V2, {"sys/fs/cgroup/cpu.max": "20000 100000"}, 1, None),
        # systemd: the quota is the service's, or that of a slice around it
        ("0::/a.slice/b.service", V2, {"sys/fs/cgroup/a.slice/b.service/cpu.max": "350000 100000"}, 3, None),
        ("0::/a.slice/b.service", V2, {"sys/fs/cgroup/a.slice/b.service/cpu.max": "max 100000",
                                       "sys/fs/cgroup/a.slice/cpu.max": "250000 100000"}, 2, None),
        ("0::/a.slice/b.service", V2, {"sys/fs/cgroup/a.slice/b.service/cpu.max": "350000 100000",
                                       "sys/fs/cgroup/a.slice/cpu.max": "250000 100000",
                                       "sys/fs/cgroup/a.slice/memory.max": "1000"}, 2, 1000),
        # version 1, of a container whose own group is mounted, and of one that sees all groups
        ("4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/", V1.format("/docker/x", "/docker/x"), {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "50000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "5000"}, 3, 5000),
        ("4:memory:/\n3:cpu,cpuacct:/user/1", V1.format("/", "/"), {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/user/1/cpu.cfs_quota_us": "150000",
            "sys/fs/cgroup/cpu,cpuacct/user/1/cpu.cfs_period_us": "100000"}, 1, None),
        # what does not belong there
        ("rubbish", "rubbish", {"sys/fs/cgroup/cpu.max": "200000 100000"}, 2, None),
        ("0::/../..", V2, {"sys/fs/cgroup/cpu.max": "200000 100000"}, 2, None),
        ("0::/", V2, {"sys/fs/cgroup/cpu.max": "nonsense"}, None, None),
        ("0::/", V2, {"sys/fs/cgroup/cpu.max": "100000 0"}, None, None),
        ("0::/", V2, {"sys/fs/cgroup/cpu.max": ""}, None, None),
    ],
)  # fmt: skip
def test_quotas_of_control_groups(groups, mounts, files, cpus, memory, tmp_path):
    root = machine(tmp_path, groups, mounts, files)
    assert _cgroups.cpus(root) == cpus
    assert _cgroups.memory(root) == memory


def test_without_proc_and_sys(tmp_path):
    assert _cgroups.cpus(str(tmp_path)) is None
    assert _cgroups.memory(str(tmp_path)) is None
    path = tmp_path / "sys/fs/cgroup/cpu"
    path.mkdir(parents=True)
    (path / "cpu.cfs_quota_us").write_text("250000\n")
    (path / "cpu.cfs_period_us").write_text("100000\n")
    assert _cgroups.cpus(str(tmp_path)) == 2
    hide = 'mount -t tmpfs none /proc && mount -t tmpfs none /sys && exec "$@"'
    hidden = ["unshare", "--mount", "sh", "-c", hide, "-"]
    if not shutil.which("unshare") or subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody hide /proc")
    assert run(TRAINING, *hidden) == run(TRAINING)


@LINUX
@pytest.mark.parametrize("version", [1, 2])
def test_a_real_quota_of_one_and_a_half_processors(version):
    top = pathlib.Path("/sys/fs/cgroup/cpu" if version == 1 else "/sys/fs/cgroup")
    if version == 2 and not (top / "cgroup.controllers").exists():
        pytest.skip("control groups are of version 1 here")
    group = top / f"nncore-test-{os.getpid()}"
    limit = group / ("cpu.cfs_quota_us" if version == 1 else "cpu.max")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made here: {error}")
    try:
        try:
            limit.write_text("150000" if version == 1 else "150000 100000")
        except OSError as error:
            pytest.skip(f"no control of processors by version {version} here: {error}")
        inside = ["sh", "-c", f'echo $$ > "{group}/cgroup.procs" && exec "$@"', "-"]
        assert run(COUNT, *inside) == "1"
        limit.write_text("1000000" if version == 1 else "1000000 100000")
        assert run(COUNT, *inside) == run(COUNT)
    finally:
        group.rmdir()


TRAINING = """
import numpy as np
before = len(os.listdir("/proc/self/task")) if (os := __import__("os")) and os.path.exists("/proc/self/task") else 0
allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
import nncore as nn
assert before == (len(os.listdir("/proc/self/task")) if before else 0), "import has started threads"
assert allowed is None or os.sched_getaffinity(0) == allowed, "import has bound the thread"
import nncore._engine, nncore._plan
nncore._plan.FLOPS_PER_THREAD = 1
nncore._engine.set_pacing(False)
nn.config.set_num_threads(2)
x = np.random.default_rng(0).standard_normal((600, 20)).astype("f4")
model = nn.Sequential([nn.Input((20,)), nn.layers.Dense(30, activation="relu"), nn.layers.Dense(4)], seed=1)
model.compile("adam", "mse")
model.fit(x, x[:, :4], verbose=0)
assert allowed is None or os.sched_getaffinity(0) == allowed, "training has bound the thread"
print([float(weight.sum()) for weight in model.weights])
"""


def test_threads_are_not_bound_and_import_starts_none():
    alone = run(TRAINING)
    for name, value in (("OMP_PROC_BIND", "true"), ("OMP_PROC_BIND", "spread"), ("OMP_PLACES", "cores"),
                        ("GOMP_CPU_AFFINITY", "0"), ("OMP_THREAD_LIMIT", "1"), ("OMP_DYNAMIC", "true"),
                        ("OMP_MAX_ACTIVE_LEVELS", "0"), ("OMP_NUM_THREADS", "1")):  # fmt: skip
        assert run(TRAINING, **{name: value}) == alone, (name, value)


def test_bare_environments(tmp_path):
    """No locale, no home, and a folder with blanks and letters of any kind that cannot be written to."""
    folder = tmp_path / "a b ü 雪 %s"
    shutil.copytree(HOME / "nncore", folder / "nncore", ignore=shutil.ignore_patterns("__pycache__"))
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o555)
    try:
        save = f"""
folder = os.fsdecode({os.fsencode(tmp_path)!r})
name = os.path.join(folder, os.fsdecode({"ä 1".encode()!r}))
nn.interop.c.export(model, name + ".c")
model.save(name + ".safetensors")
assert (nn.models.load_model(name + ".safetensors").predict(x) == model.predict(x)).all()
nn.datasets.digits.load_data()
assert nn.__file__.startswith(os.fsdecode({os.fsencode(folder)!r})), nn.__file__
"""
        bare = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "/nonexistent"}
        assert run(TRAINING + save, path=folder, **bare) == run(TRAINING)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a b ü 雪 %s", "ä 1.c", "ä 1.safetensors"]
    finally:
        for path, _, _ in os.walk(folder):
            os.chmod(path, 0o755)


def test_generic_is_enough():
    code = "import nncore as nn; print(nn.config.variant())"
    assert run(code, NNCORE_ISA="generic") == "generic"
    assert np.isfinite(eval(run(TRAINING, NNCORE_ISA="generic"))).all()


def test_a_processor_without_avx(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])
    machines = pytest.importorskip("reliability.machines")
    result, words = machines.attempt("Nehalem")  # the command tries more
    if result == "skipped":
        pytest.skip(words)
    assert result == "same", words


def test_a_disk_that_is_full(monkeypatch, capfd):
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])
    full_disk = pytest.importorskip("reliability.full_disk")
    code = full_disk.main(["--step", "9"])
    if code == 77:
        pytest.skip("this machine lets nobody mount a small disk")
    assert code == 0, capfd.readouterr()
