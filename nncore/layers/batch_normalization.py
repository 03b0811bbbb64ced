"""Normalization over the rows of a minibatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks, _engine, _relu, initializers
from nncore._plan import Job, Tiles
from nncore.layers.normalization import Affine, checked_axis, emit_over, sample_axes
from nncore.layers.weighted import array_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import ArrayProperty, Config, Integers
    from nncore._weight import Weight
    from nncore.initializers import Initializer

# Of a tile: neighbouring channels, so many that both passes over the rows of a usual minibatch find them in a
# first-level cache.
TILE_CHANNELS = 32


class BatchNormalization(Affine):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and variance of each channel.

    In training they are those of the minibatch, over all axes but `axis`, and the variance is the mean of
    (x - mean)^2. Each training step, and each call with training=True, moves the averages that are used else:
    average = momentum average + (1 - momentum) value. A minibatch whose loss is NaN or infinite leaves them alone.

    With `trainable` False the layer always uses the averages, and they stay as they are.

    The means are taken in two passes: a float32 channel of mean m and deviation s is normalized with an error of a few
    units in the last place of x and y, and of m / s times that of 1, as the mean itself is rounded.

    Parameters
    ----------
    axis : int
        Of the channels, counted with the axis of samples, which it is not.
    momentum : float in [0, 1]
    epsilon : float
    center, scale : bool
        Whether there are beta and gamma.
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    beta_constraint, gamma_constraint : str or Constraint, optional

    Raises
    ------
    ValueError
        For an axis that a sample does not have.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift",
    ICML 2015.
    """

    _moving_mean: Weight | Any
    _moving_variance: Weight | Any

    supports_masking = True

    def __init__(self, axis: Integers = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: InitializerLike = "zeros",
                 gamma_initializer: InitializerLike = "ones", moving_mean_initializer: InitializerLike = "zeros",
                 moving_variance_initializer: InitializerLike = "ones", beta_regularizer: RegularizerLike = None,
                 gamma_regularizer: RegularizerLike = None, beta_constraint: ConstraintLike = None,
                 gamma_constraint: ConstraintLike = None, renorm: Literal[False] = False, renorm_clipping: None = None,
                 renorm_momentum: float = 0.99, synchronized: Literal[False] = False,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(epsilon, center, scale, (beta_initializer, beta_regularizer, beta_constraint),
                         (gamma_initializer, gamma_regularizer, gamma_constraint), **common)  # fmt: skip
        _checks.refuse_on("BatchNormalization", renorm=renorm, synchronized=synchronized)
        usual = _checks.real_number("BatchNormalization", "renorm_momentum", renorm_momentum) == 0.99
        _checks.refuse("BatchNormalization", renorm_clipping=renorm_clipping,
                       renorm_momentum=None if usual else renorm_momentum)  # fmt: skip
        self.axis: int = checked_axis("BatchNormalization", axis, single=True)
        self.momentum: float = _checks.real_number("BatchNormalization", "momentum", momentum, 0, 1)
        self.moving_mean_initializer: Initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer: Initializer = initializers.get(moving_variance_initializer)
        self._moving_mean = self._moving_variance = None

    moving_mean: ArrayProperty = array_of(
        "_moving_mean", "The average of means, as an array; None before the layer is built."
    )
    moving_variance: ArrayProperty = array_of(
        "_moving_variance", "The average of variances, as an array; None before it is built."
    )

    def compute_output_shape(self, input_shape: Any) -> Any:
        sample_axes(self, self.axis, input_shape)
        return input_shape

    def build(self, input_shape: Any) -> None:
        shape = (input_shape[sample_axes(self, self.axis, input_shape)[0]],)
        self.add_affine(shape)
        self._moving_mean = self.add_weight("moving_mean", shape, self.moving_mean_initializer, trainable=False)
        self._moving_variance = self.add_weight("moving_variance", shape, self.moving_variance_initializer,
                                                trainable=False)  # fmt: skip

    def emit(self, builder: Builder, x: Value) -> Any:
        return emit_over(builder, x, sample_axes(self, self.axis, x.shape), lambda x, _: self._emit(builder, x))

    def _emit(self, builder: Builder, x: Value) -> Value:
        of_minibatch, learns = builder.training and self.trainable, self.learns(builder)
        if of_minibatch and x.mask is not None:
            raise ValueError(f"layer {self.name!r} does not support masked inputs in training")
        channels = x.shape[-1]
        sizes = {"positions": x.width // channels, "channels": channels}
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient or learns)
        inverse, scale = (_engine.aligned_zeros(channels, builder.dtype) for _ in range(2))
        if of_minibatch:
            mean, variance = (_engine.aligned_zeros(channels, builder.dtype) for _ in range(2))
        else:
            mean, variance = self.moving_mean, self.moving_variance
        tiles = Tiles(1, channels, 1, min(channels, TILE_CHANNELS))
        to_scale = ("normalization_scale", {"variance": variance, "gamma": self.gamma, "inverse": inverse,
                                            "scale": scale, "epsilon": self.epsilon})  # fmt: skip
        if of_minibatch:
            steps = [self._moments(builder, x, sizes, mean, variance), to_scale]
            moving = [("moving_average", {"average": average, "value": value, "momentum": self.momentum})
                      for average, value in ((self.moving_mean, mean), (self.moving_variance, variance))]  # fmt: skip
            steps += builder.keep_statistics(self, Job(tiles, moving))
            builder.forward_meeting([Job(tiles, steps)])
        else:
            builder.prologue(Job(tiles, [to_scale]))
        builder.forward("normalize", x=x.buffer, mean=mean, scale=scale, beta=self.beta, y=y.buffer,
                        x_stride=x.stride, y_stride=y.stride, statistics_stride=0, **sizes)  # fmt: skip

        def backward() -> None:
            if y.gradient is None:
                return
            bent = of_minibatch and x.needs_gradient  # mean and variance depend on x
            shift, slope = (_engine.aligned_zeros(channels, builder.dtype) if bent else None for _ in range(2))
            if bent or learns:
                self._emit_slopes(builder, x, y.gradient, sizes, tiles, learns=learns, mean=mean, inverse=inverse,
                                  scale=scale, shift=shift, slope=slope)  # fmt: skip
            if not x.needs_gradient:
                return
            gate = of_minibatch and _relu.take_derivative(x)

            def step(dx: Any) -> None:
                dy = y.gradient
                if bent:
                    builder.backward_step("normalize_backward", x=x.buffer, dy=dy, mean=mean, scale=scale, shift=shift,
                                          slope=slope, dx=dx, x_stride=x.stride, dy_stride=dy.stride,
                                          dx_stride=dx.stride, statistics_stride=0, gate=gate, **sizes)  # fmt: skip
                else:
                    builder.backward_step("normalize", x=dy, mean=None, scale=scale, beta=None, y=dx,
                                          x_stride=dy.stride, y_stride=dx.stride, statistics_stride=0,
                                          **sizes)  # fmt: skip

            if x.gradient is None:
                x.gradient = y.gradient  # dx takes the place of dy
                step(x.gradient)
            else:
                builder.add_gradient(x, step)

        builder.on_backward(backward)
        return y

    @staticmethod
    def _moments(builder: Any, x: Any, sizes: Any, mean: Any, variance: Any) -> Any:
        """The step that computes mean and variance over the minibatch."""
        means, squares = x.buffer, None
        if sizes["positions"] > 1:
            means, squares = builder.buffer(sizes["channels"]), builder.buffer(sizes["channels"])
            builder.forward("sample_moments", x=x.buffer, mean=means, squares=squares, x_stride=x.stride,
                            statistics_stride=means.stride, **sizes)  # fmt: skip
        return "batch_moments", {"x": means, "squares": squares, "mean": mean, "variance": variance,
                                 "positions": sizes["positions"], "x_stride": means.stride,
                                 "squares_stride": means.stride}  # fmt: skip

    def _emit_slopes(self, builder: Any, x: Value, dy: Any, sizes: Any, tiles: Any, *, learns: Any, mean: Any,
                     **columns: Any) -> None:  # fmt: skip
        """Adds what sums over the minibatch: gradients of gamma and beta, and what of them goes into that of x."""
        channels = sizes["channels"]
        sums, products = (_engine.aligned_zeros(channels, builder.dtype) for _ in range(2))
        terms = x.buffer
        if sizes["positions"] > 1:
            terms, of_samples = builder.buffer(channels), builder.buffer(channels)
            builder.backward_step("sample_slopes", x=x.buffer, dy=dy, mean=mean, sums=of_samples, products=terms,
                                  x_stride=x.stride, dy_stride=dy.stride, statistics_stride=0,
                                  sums_stride=terms.stride, **sizes)  # fmt: skip
            dy, mean = of_samples, None
        step = ("batch_slopes", {"x": terms, "dy": dy, "mean": mean, "sums": sums, "products": products,
                                 "positions": sizes["positions"], "x_stride": terms.stride, "dy_stride": dy.stride,
                                 **columns})  # fmt: skip
        builder.backward_meeting([Job(tiles, [step])])
        for weight, gradient in ((self._gamma, products), (self._beta, sums)) if learns else ():
            if weight is not None:  # the whole gradient is its only part
                builder.weight_gradient(weight, "sum_parts", parts=gradient, columns=channels,
                                        part_rows=builder.rows, parts_stride=0)  # fmt: skip

    def get_config(self) -> Config:
        return {
            "axis": self.axis,
            "momentum": self.momentum,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            **super().get_config(),
        }
