"""Dropout."""

from nncore import _checks, _engine
from nncore.config import check_seed
from nncore.layers.layer import Layer


class Dropout(Layer):
    """In training, y = m x / (1 - rate), where each m is 0 with probability `rate` and else 1; else y = x.

    The m are a function of the model's seed, the layer's place in the model, the training step and the element's
    place in the minibatch. (Srivastava et al., 2014.)

    Parameters
    ----------
    rate : float in [0, 1]
    seed : int, optional
        Makes the layer's numbers differ from those that its place alone would give.
    """

    def __init__(self, rate, noise_shape=None, seed=None, **common):
        super().__init__(**common)
        _checks.refuse("Dropout", noise_shape=noise_shape)
        self.rate = _checks.real_number("Dropout", "rate", rate, 0, 1)
        self.seed = None if seed is None else check_seed(seed)

    def emit(self, builder, x):
        if not builder.training or self.rate == 0:
            return x
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient)
        number = builder.next_number("dropout") + 7919 * (self.seed or 0)
        stream = _engine.STREAM_DROPOUT + number % _engine.STREAM_NUMBERS

        def step(add, source, target):
            add("dropout", x=source, y=target, features=x.width, x_stride=source.stride, y_stride=target.stride,
                stream=stream, rate=self.rate)  # fmt: skip

        step(builder.forward, x.buffer, y.buffer)

        def backward():
            if y.gradient is not None and x.needs_gradient:
                builder.add_gradient(x, lambda target: step(builder.backward_step, y.gradient, target))

        builder.on_backward(backward)
        return y

    def get_config(self):
        return {"rate": self.rate, "seed": self.seed, **super().get_config()}
