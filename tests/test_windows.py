"""Windows along axes: how many positions, how much padding; and the arguments that say so."""

from types import SimpleNamespace

import pytest

from nncore import _windows
from nncore._windows import Axis, output_length, padding_of

LAYER = SimpleNamespace(name="pool")


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("window", [1, 2, 3, 4, 7])
def test_positions_fill_the_padded_axis(window, stride, dilation):
    for length in range(1, 20):
        reach = _windows.reach(window, dilation)
        for padding in ("valid", "same", "causal"):
            before, after = padding_of(length, window, stride, padding, dilation)
            outputs = output_length(length, window, stride, padding, dilation)
            begins = [begin for begin in range(-before, length + after, stride) if begin + reach <= length + after]
            assert len(begins) == outputs
            assert Axis.of(length, window, stride, padding, dilation) == (
                length, outputs, window, stride, dilation, before
            )  # fmt: skip
            if padding == "valid":
                assert (before, after) == (0, 0)
            if padding == "same":
                assert outputs == -(-length // stride)
                assert 0 <= after - before <= 1
                last = (outputs - 1) * stride + reach  # no more padding than the last window needs
                assert before + length + after == max(last, length)
            if padding == "causal":
                assert outputs == -(-length // stride)
                assert (before, after) == (reach - 1, 0)


def test_lengths_that_tensorflow_documents():
    """Its note on "SAME": a window of 6 with stride 5 over 13 elements has 1 before and 2 behind, 3 positions."""
    assert padding_of(13, 6, 5, "same") == (1, 2)
    assert output_length(13, 6, 5, "same") == 3
    assert output_length(13, 6, 5, "valid") == 2
    assert output_length(3, 4, 1, "valid") == 0


def test_windows_over_samples():
    windows = _windows.windows_over(LAYER, (9, 6), (3,), (2,), "same")
    assert windows == (Axis(1, 1), Axis(9, 5, 3, 2, 1, 1), 6)
    assert windows.array.tolist() == [[1, 1, 1, 1, 1, 0], [9, 5, 3, 2, 1, 1]]
    windows = _windows.windows_over(LAYER, (9, 8, 6), (3, 2), (2, 1), "valid", (1, 2))
    assert windows == (Axis(9, 4, 3, 2, 1, 0), Axis(8, 6, 2, 1, 2, 0), 6)
    assert windows.size == 6
    for shape, size in (((2, 6), (3,)), ((9, 2, 6), (2, 3)), ((2, 9, 6), (3, 2))):
        with pytest.raises(ValueError, match=r"layer 'pool': a window of .* does not fit into samples of shape"):
            _windows.windows_over(LAYER, shape, size, size, "valid")
    with pytest.raises(ValueError, match="with dilation"):
        _windows.windows_over(LAYER, (4, 6), (3,), (1,), "valid", (2,))
    for shape, size, wanted in (((5,), (2,), "steps"), ((5, 5), (2, 2), "rows"), ((5, 5, 5), (2,), "steps")):
        with pytest.raises(ValueError, match=rf"layer 'pool' needs samples of shape \({wanted}"):
            _windows.windows_over(LAYER, shape, size, size, "valid")


def test_arguments():
    assert _windows.integers("A", "size", 3, 2) == (3, 3)
    assert _windows.integers("A", "size", [3, 4], 2) == (3, 4)
    assert _windows.integers("A", "size", (0,), 1, least=0) == (0,)
    for value in ((3,), (1, 2, 3), "ab", 2.5, None):
        with pytest.raises(ValueError, match="A: size must be an integer or 2 of them, not"):
            _windows.integers("A", "size", value, 2)
    with pytest.raises(TypeError, match="A: each of size must be an integer"):
        _windows.integers("A", "size", (1, 2.5), 2)
    with pytest.raises(ValueError, match="A: each of size must be at least 1, not 0"):
        _windows.integers("A", "size", (1, 0), 2)
    assert _windows.padding_name("A", "SAME") == "same"
    assert _windows.padding_name("A", "causal", ("valid", "causal")) == "causal"
    for padding in ("causal", "full", 3, None):
        with pytest.raises(ValueError, match="A: padding must be one of 'valid', 'same', not"):
            _windows.padding_name("A", padding)
    assert _windows.channels_last("A", None) == _windows.channels_last("A", "channels_last") == "channels_last"
    with pytest.raises(ValueError, match="A does not support the argument 'data_format'"):
        _windows.channels_last("A", "channels_first")
