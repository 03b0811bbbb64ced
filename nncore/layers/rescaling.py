"""Multiplies and shifts its inputs."""

from nncore import _checks
from nncore.layers.layer import Layer


class Rescaling(Layer):
    """y = scale x + offset.

    As the first layer it is where images of type uint8 become numbers of a useful size, a minibatch at a time.

    Parameters
    ----------
    scale, offset : float
    """

    supports_masking = True

    def __init__(self, scale, offset=0.0, **common):
        super().__init__(**common)
        self.scale = _checks.real_number("Rescaling", "scale", scale)
        self.offset = _checks.real_number("Rescaling", "offset", offset)

    def emit(self, builder, x):
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient)

        def step(add, source, target, shift):
            add("scale_shift", x=source, y=target, features=x.width, x_stride=source.stride, y_stride=target.stride,
                scale=self.scale, shift=shift)  # fmt: skip

        step(builder.forward, x.buffer, y.buffer, self.offset)

        def backward():
            if y.gradient is not None and x.needs_gradient:
                builder.add_gradient(x, lambda target: step(builder.backward_step, y.gradient, target, 0.0))

        builder.on_backward(backward)
        return y

    def get_config(self):
        return {"scale": self.scale, "offset": self.offset, **super().get_config()}
