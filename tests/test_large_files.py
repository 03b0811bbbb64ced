"""Data of more than 2**31 elements and 4 GiB: the short form of `python -m reliability.numbers`."""

import importlib.util
import pathlib

COMMAND = pathlib.Path(__file__).parent.parent / "reliability" / "numbers.py"


def test_rows_beyond_32_bits_are_found(tmp_path, capsys):
    """By its path, as the checkout's nncore is not the one that is tested."""
    spec = importlib.util.spec_from_file_location("reliability_numbers", COMMAND)
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    command.main(["--quick", "--folder", str(tmp_path)])
    assert "7 ways to read data beyond 2**31 elements, all right" in capsys.readouterr().out
