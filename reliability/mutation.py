"""Mutation testing of the checks in Python: mutmut changes one thing at a time, and a test has to notice.

    python -m reliability.mutation [GROUP ...] [--jobs N] [--keep FOLDER]

The package must be built in place, and mutmut installed (the extra "quality"). Each group of modules has the tests that
are to notice; mutmut runs, for each mutant, those that go through the changed function. What survives is printed, and
must stand in docs/mutants.md with the reason: the exit code is 1 where something does not.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from reliability import ROOT

# name: (modules that are changed, tests that are to notice)
GROUPS = {
    "checks": (["_checks.py"], ["test_checks.py"]),
    "files": (["_files.py"], ["test_saving.py"]),
    "data": (["_data.py"], ["test_errors.py", "test_frames.py", "test_sequence_masks.py",
                            "test_memmap.py"]),
    "foreign": (["_foreign.py"], ["test_frames.py"]),
    "saving": (["models/saving.py"], ["test_saving.py"]),
    "optimizers": (["optimizers/optimizer.py", "optimizers/schedules/schedule.py"],
                   ["test_updates.py", "test_schedules.py", "test_errors.py"]),
    "schedules": (["optimizers/schedules/decays.py", "optimizers/schedules/cosine.py"], ["test_schedules.py"]),
    "losses": (["losses/loss.py", "losses/regression.py", "losses/probabilistic.py", "losses/margin.py"],
               ["test_losses.py"]),
    "layers": (["layers/dense.py", "layers/dropout.py", "layers/rescaling.py", "layers/reshaping.py"],
               ["test_errors.py", "test_shapes.py", "test_noise.py", "test_reshaping.py"]),
}  # fmt: skip
CONFIGURATION = """
[tool.pytest.ini_options]
addopts = "--strict-markers --import-mode=importlib"
pythonpath = ["tests"]
filterwarnings = ["error"]
markers = ["slow: takes minutes; run with --slow"]

[tool.mutmut]
source_paths = ["nncore"]
only_mutate = [{modules}]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = [{tests}]
use_git_change_detection = false
track_dependencies = false
"""


def listed(names: list[str], folder: str) -> str:
    """The names in that folder, as the inside of a list of TOML."""
    return ", ".join(f'"{folder}/{name}"' for name in names)


def changed_lines(diff: str) -> tuple[str, str]:
    """The lines that a mutant takes away and puts in their place."""
    lines = [line for line in diff.splitlines() if re.match(r"[-+](?![-+]{2} )", line)]
    took = [line[1:].strip() for line in lines if line[0] == "-"]
    put = [line[1:].strip() for line in lines if line[0] == "+"]
    return " ".join(took), " ".join(put)


def survivors(folder: pathlib.Path, group: str, jobs: int) -> tuple[int, list[tuple[str, str, str]]]:
    """How many mutants there were, and (function, line, line of the mutant) of each that no test has noticed."""
    modules, tests = GROUPS[group]
    for name in ("nncore", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyx"))
    text = CONFIGURATION.format(modules=listed(modules, "nncore"), tests=listed(tests, "tests"))
    (folder / "pyproject.toml").write_text(text)
    mutmut = [sys.executable, "-m", "mutmut"]
    environment = {**os.environ, "NNCORE_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)  # the copy is what is tested

    def said(*arguments: str) -> str:
        done = subprocess.run([*mutmut, *arguments], cwd=folder, env=environment, capture_output=True, text=True,
                              check=False)  # fmt: skip
        if done.returncode:
            raise SystemExit(f"mutmut {' '.join(arguments)} failed in {folder}:\n{done.stdout[-4000:]}{done.stderr}")
        return done.stdout

    said("run", "--max-children", str(jobs))
    states = dict(re.findall(r"^ *(\S+): (.+)$", said("results", "--all", "true"), re.MULTILINE))
    found = []
    for mutant, state in states.items():
        if state not in ("killed", "timeout"):
            function = re.sub(r"(^|\.)x_|__mutmut_\d+$", r"\1", mutant).replace("xǁ", "").replace("ǁ", ".")
            found.append((function, *changed_lines(said("show", mutant))))
    return len(states), found


def main() -> int:
    """Runs the groups one after the other; 1 where a survivor does not stand in docs/mutants.md."""
    parser = argparse.ArgumentParser(prog="python -m reliability.mutation", description=__doc__.split("\n")[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; all unless given")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the copies, which stays")
    options = parser.parse_args()
    unknown = set(options.groups) - set(GROUPS)
    if unknown:
        parser.error(f"there are the groups {', '.join(GROUPS)}; got {', '.join(sorted(unknown))}")
    page = (ROOT / "docs" / "mutants.md").read_text()
    mutants = left = unexplained = 0
    with tempfile.TemporaryDirectory() as temporary:
        for group in options.groups or GROUPS:
            folder = (options.keep or pathlib.Path(temporary)) / group
            count, found = survivors(folder, group, options.jobs)
            mutants, left = mutants + count, left + len(found)
            print(f"{group}: {count} mutants, {len(found)} survive")
            for function, line, mutant in found:
                known = f"`{mutant}`" in page
                unexplained += not known
                print(f"  {'' if known else 'NEW '}{function}\n    - {line}\n    + {mutant}")
    print(f"{mutants} mutants, {left} survive, of which {unexplained} are not in docs/mutants.md")
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main())
