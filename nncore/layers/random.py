"""What layers with random numbers have in common."""

from nncore import _engine
from nncore.config import check_seed
from nncore.layers.layer import Layer


class RandomLayer(Layer):
    """Changes its inputs at random in training, and else hands them on.

    The numbers are a function of the model's seed, the layer's place in the model, the training step and the
    element's place in the minibatch. Subclasses define `active` and `emit_random`.

    Parameters
    ----------
    seed : int, optional
        Makes the layer's numbers differ from those that its place alone would give.
    """

    supports_masking = True

    def __init__(self, seed=None, **common):
        super().__init__(**common)
        self.seed = None if seed is None else check_seed(seed)

    @property
    def active(self):
        """Whether training changes anything."""
        raise NotImplementedError

    def emit_random(self, builder, x, y, stream):
        """Adds the steps from x to y; returns a function (dy, dx) that adds those from dy to dx."""
        raise NotImplementedError

    def emit(self, builder, x):
        if not builder.training or not self.active:
            return x
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient)
        emit_gradient = self.emit_random(builder, x, y, dropout_stream(builder, self.seed))

        def backward():
            if y.gradient is not None and x.needs_gradient:
                builder.add_gradient(x, lambda target: emit_gradient(y.gradient, target))

        builder.on_backward(backward)
        return y

    def get_config(self):
        return {"seed": self.seed, **super().get_config()}


def dropout_stream(builder, seed):
    """The stream of the next layer's random numbers; `seed` is the layer's own, or None."""
    number = builder.next_number("dropout") + 7919 * (seed or 0)
    return _engine.STREAM_DROPOUT + number % _engine.STREAM_NUMBERS


def strides(x, y):
    """Both buffers and their strides, as a kernel's arguments."""
    return {"x": x, "y": y, "x_stride": x.stride, "y_stride": y.stride}
