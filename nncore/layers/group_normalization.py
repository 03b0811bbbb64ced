"""Normalization of each sample over groups of its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.layers.normalization import Affine, checked_axis, emit_over, emit_sum_gradient, sample_axes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import Config, Integers


class GroupNormalization(Affine):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and variance of each sample and group of channels.

    The channels, along `axis`, are cut into `groups` of neighbours; mean and variance are over a group's channels and
    all other axes but that of the samples. Gamma and beta are (channels).

    Parameters
    ----------
    groups : int
        -1 makes every channel a group of its own (instance normalization).
    axis : int
        Of the channels, counted with the axis of samples, which it is not.
    epsilon : float
    center, scale : bool
        Whether there are beta and gamma.
    beta_initializer, gamma_initializer
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    beta_constraint, gamma_constraint : str or Constraint, optional

    Raises
    ------
    ValueError
        For an axis that a sample does not have, and for channels that groups do not divide.

    References
    ----------
    Wu and He, "Group normalization", ECCV 2018.
    """

    supports_masking = True

    def __init__(self, groups: int = 32, axis: Integers = -1, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: InitializerLike = "zeros",
                 gamma_initializer: InitializerLike = "ones", beta_regularizer: RegularizerLike = None,
                 gamma_regularizer: RegularizerLike = None, beta_constraint: ConstraintLike = None,
                 gamma_constraint: ConstraintLike = None, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(epsilon, center, scale, (beta_initializer, beta_regularizer, beta_constraint),
                         (gamma_initializer, gamma_regularizer, gamma_constraint), **common)  # fmt: skip
        self.groups: int = _checks.integer("GroupNormalization", "groups", groups, least=-1)
        if self.groups == 0:
            raise ValueError("GroupNormalization: groups must be at least 1, or -1 for as many as channels; got 0")
        self.axis: int = checked_axis("GroupNormalization", axis, single=True)

    def compute_output_shape(self, input_shape: Any) -> Any:
        channels = input_shape[sample_axes(self, self.axis, input_shape)[0]]
        if channels % self._groups_of(channels):
            raise ValueError(
                f"layer {self.name!r}: {channels} channels cannot be cut into {self.groups} groups of one size"
            )
        return input_shape

    def _groups_of(self, channels: int) -> int:
        return channels if self.groups == -1 else self.groups

    def build(self, input_shape: Any) -> None:
        self.add_affine((input_shape[sample_axes(self, self.axis, input_shape)[0]],))

    def emit(self, builder: Builder, x: Value) -> Any:
        return emit_over(builder, x, sample_axes(self, self.axis, x.shape), lambda x, _: self._emit(builder, x))

    def _emit(self, builder: Builder, x: Value) -> Value:
        channels = x.shape[-1]
        learns, positions = self.learns(builder), x.width // channels
        sizes: dict[str, Any] = {"positions": positions, "channels": channels}
        grouped = {**sizes, "extent": channels // self._groups_of(channels)}
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient or learns)
        mean, inverse, scale = (builder.buffer(channels) for _ in range(3))
        stride = mean.stride
        means, squares = x.buffer, None
        if positions > 1:
            means, squares = builder.buffer(channels), builder.buffer(channels)
            builder.forward("sample_moments", x=x.buffer, mean=means, squares=squares, x_stride=x.stride,
                            statistics_stride=stride, **sizes)  # fmt: skip
        builder.forward("group_moments", x=means, squares=squares, gamma=self.gamma, mean=mean, inverse=inverse,
                        scale=scale, x_stride=means.stride, statistics_stride=stride, epsilon=self.epsilon,
                        **grouped)  # fmt: skip
        builder.forward("normalize", x=x.buffer, mean=mean, scale=scale, beta=self.beta, y=y.buffer,
                        x_stride=x.stride, y_stride=y.stride, statistics_stride=stride, **sizes)  # fmt: skip

        def backward() -> None:
            if y.gradient is None:
                return
            sums, products, shift, slope = (builder.buffer(channels) for _ in range(4))
            both: dict[str, Any] = {"x": x.buffer, "dy": y.gradient, "mean": mean, "x_stride": x.stride,
                    "dy_stride": y.gradient.stride, "statistics_stride": stride}  # fmt: skip
            builder.backward_step("sample_slopes", sums=sums, products=products, sums_stride=stride, **both, **sizes)
            builder.backward_step("group_slopes", sums=sums, products=products, inverse=inverse, gamma=self.gamma,
                                  shift=shift, slope=slope, statistics_stride=stride, **grouped)  # fmt: skip
            if learns:
                emit_sum_gradient(builder, self._gamma, products)
                emit_sum_gradient(builder, self._beta, sums)
            if x.needs_gradient:
                builder.add_gradient(x, lambda dx: builder.backward_step(
                    "normalize_backward", scale=scale, shift=shift, slope=slope, dx=dx, dx_stride=dx.stride, gate=False,
                    **both, **sizes))  # fmt: skip

        builder.on_backward(backward)
        return y

    def get_config(self) -> Config:
        return {"groups": self.groups, "axis": self.axis, **super().get_config()}
