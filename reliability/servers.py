"""gunicorn with --preload: the master trains and predicts, its forked workers predict and train to the same bits.

Needs gunicorn: pip install gunicorn

python -m reliability.servers --requests 400
"""

from __future__ import annotations

import argparse
import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import nncore as nn
from nncore import _engine, _plan
from reliability import ROOT


def _trained() -> bytes:
    x, y = np.random.default_rng(0).standard_normal((500, 30)).astype(np.float32), np.arange(500) % 10
    model = nn.Sequential([nn.Input((30,)), nn.layers.Dense(40, activation="relu"), nn.layers.Dense(10)], seed=0)
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, verbose=0)
    return hashlib.sha256(model.predict(x, verbose=0).tobytes()).hexdigest().encode()


def make_app() -> Any:
    """The application that gunicorn serves; made in the master."""
    _plan.FLOPS_PER_THREAD = 1  # so that each region has all threads
    _engine.set_pacing(False)
    nn.config.set_num_threads(3)
    expected = _trained()

    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        said = b"same" if _trained() == expected else b"other bits"
        start_response("200 OK", [("Content-Length", str(len(said)))])
        return [said]

    return app


def _ask(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=60) as answer:
        said: bytes = answer.read()
    return said


def main(arguments: list[str] | None = None) -> int:
    """Sends `--requests` to workers of each kind; returns 1 where an answer is wrong or missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100)
    options = parser.parse_args(arguments)
    wrong = 0
    for kind in (["--workers", "2"], ["--workers", "2", "--threads", "4"], ["--workers", "1", "--max-requests", "5"]):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "--preload", "--timeout", "60", "--log-level", "error", *kind]
        server = subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}", "reliability.servers:make_app()"], cwd=ROOT,
                                  env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            with ThreadPoolExecutor(4) as pool:
                futures = [pool.submit(_ask, f"http://127.0.0.1:{port}/") for _ in range(options.requests)]
            for future in futures:
                said = str(future.exception()).encode() if future.exception() else future.result()
                if said != b"same":
                    wrong += 1
                    print(f"{' '.join(kind)}: {said.decode()}")
        finally:
            server.terminate()
            server.wait(60)
    print(f"{3 * options.requests} requests to forked workers of three kinds, all of which train: {wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
