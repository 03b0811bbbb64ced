"""Objects of the library's classes, with options drawn by the names of their constructors' parameters."""

import functools
import inspect

import numpy as np

import nncore as nn
from reliability.api import values
from reliability.api.judge import require_refusal

FLAGS = (True, False)
PARTS = (0.0, 0.1, 0.5, 0.9)
SIZES = (1, 2, 3, 4)
WINDOWS = (1, 2, 3, (1,), (2,), (1, 2), (2, 1), (2, 2), (3, 1))
EDGES = (0, 1, (1, 0), (0, 2), ((0, 1), (1, 0)))
ACTIVATIONS = tuple(
    name for name in nn.activations.__all__ if name.islower() and name not in ("get", "serialize", "deserialize")
)

# What may stand for a parameter, by its name, or by the end of its name behind a "_".
POOLS = {
    "units": SIZES,
    "filters": (2, 4, 1, 3),
    "output_dim": SIZES,
    "input_dim": (4, 5, 8),
    "n": SIZES,
    "num_heads": SIZES,
    "key_dim": SIZES,
    "value_dim": (None, *SIZES),
    "depth_multiplier": (1, 2),
    "groups": (1, 2, 4, 3),
    "num_tokens": (4, 6),
    "num_bins": (3, 5),
    "kernel_size": WINDOWS,
    "strides": (*WINDOWS, None),
    "pool_size": WINDOWS,
    "size": WINDOWS,
    "dilation_rate": (1, 1, 2, (1, 2)),
    "padding": ("valid", "same", "causal", "full", *EDGES),
    "cropping": EDGES,
    "data_format": (None, "channels_last"),
    "output_padding": (None, 0, 1),
    "activation": ACTIVATIONS,
    "recurrent_activation": ACTIVATIONS,
    "rate": PARTS,
    "dropout": PARTS,
    "recurrent_dropout": (0.0, 0.5),
    "momentum": PARTS,
    "epsilon": (1e-3, 1e-7, 0.0, 1.0),
    "stddev": (0.0, 0.1, 2.0),
    "alpha": (0.1, 1.0, 0.0),
    "negative_slope": (0.0, 0.3),
    "max_value": (None, 1.0, 6.0),
    "min_value": (0.0, 0.5),
    "threshold": (None, 0.0, 0.5),
    "axis": (-1, 1, 2, 0, -2, (1, 2), [1], None),
    "axes": (-1, 1, 2, (1, 2), [2, 1]),
    "shared_axes": (None, 1, (1, 2)),
    "dims": ((1,), (2, 1), (1, 2), (2, 1, 3), (3, 1, 2)),
    "target_shape": ((-1,), (-1, 1), (2, -1), (1, -1, 1), (4,), 4),
    "offset": (0.0, -1.0, (1.0, 2.0)),
    "scale": (True, False, 0.5, 1.0),
    "initializer": nn.initializers.__all__,
    "merge_mode": ("concat", "sum", "mul", "ave", None),
    "score_mode": ("dot", "concat"),
    "seed": (None, 0, 7),
    "output_mode": ("int", "one_hot", "multi_hot", "count", "tf_idf"),
    "interpolation": ("nearest", "bilinear"),
    "noise_shape": (None, (None, 1), (3, 1), (None, 1, 1)),
    "attention_axes": (None, 1, (1,), (1, 2)),
    "output_shape": (None, 3, (2,)),
    "mask_value": (0.0, 1.0, None),
    "max_tokens": (None, 6),
    "num_oov_indices": (1, 0, 2),
    "vocabulary": (None, ["a", "b"], [3, 5]),
    "mask_token": (None, 0, ""),
    "oov_token": ("[UNK]", -1),
    "encoding": ("utf-8",),
    "mean": (None, 1.0),
    "variance": (None, 2.0, 0.5),
    "bin_boundaries": (None, [0.0, 1.0], [-1.0, 0.5, 2.0]),
    "salt": (None, 3, [1, 2]),
    "split": ("whitespace", None, "character"),
    "standardize": ("lower", "lower_and_strip_punctuation", None),
    "ngrams": (None, 2),
    "output_sequence_length": (None, 3),
    "name": (None, "one"),
    "dtype": (None, "float32"),
    "input_shape": (None,),
    "batch_size": (None,),
    "batch_shape": (None,),
    "shape": ((3,), (4, 2)),
    "weights": (None,),
    "lora_rank": (None,),
    "sparse": (False,),
    "trainable": FLAGS,
    "reduction": ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None),
    "label_smoothing": (0.0, 0.1),
    "gamma": (2.0, 0.0),
    "delta": (1.0, 0.1),
    "ignore_class": (None, 0, -1),
    "thresholds": (None, 0.5, [0.2, 0.8]),
    "num_thresholds": (2, 3, 200),
    "curve": ("ROC", "PR"),
    "summation_method": ("interpolation", "minoring", "majoring"),
    "num_labels": (None, 2, 3),
    "label_weights": (None, [1.0, 2.0]),
    "target_class_ids": ((0, 1), [0], (1,)),
    "num_classes": (2, 3, 5),
    "average": (None, "micro", "macro", "weighted"),
    "beta": (1.0, 0.5),
    "top_k": (None, 1, 2),
    "class_id": (None, 0, 1),
    "k": (1, 2, 5),
    "recall": PARTS,
    "precision": PARTS,
    "specificity": PARTS,
    "sensitivity": PARTS,
    "num_regressors": (0, 1),
    "class_aggregation": ("uniform_average", "variance_weighted_average", None),
    "learning_rate": (0.01, 1e-3, 0.0, 1.0),
    "rho": PARTS,
    "beta_1": PARTS,
    "beta_2": (0.999, 0.9, 0.0),
    "weight_decay": (None, 0.01),
    "clipnorm": (None, 1.0),
    "clipvalue": (None, 0.5),
    "global_clipnorm": (None, 1.0),
    "ema_momentum": (0.99, 0.0, 1.0),
    "ema_overwrite_frequency": (None, 1, 3),
    "gradient_accumulation_steps": (None, 2, 3),
    "beta_2_decay": (-0.8,),
    "epsilon_1": (1e-30,),
    "epsilon_2": (1e-3,),
    "clip_threshold": (1.0,),
    "learning_rate_power": (-0.5, 0.0),
    "ns_steps": (5, 1),
    "exclude_layers": (None, ["kernel"], ["dense"]),
    "initial_learning_rate": (0.1, 0.0),
    "decay_steps": (1, 10, 1000),
    "warmup_target": (None, 0.2),
    "warmup_steps": (0, 5),
    "first_decay_steps": (3, 10),
    "t_mul": (2.0, 1.0),
    "m_mul": (1.0, 0.5),
    "maximal_learning_rate": (1.0, 0.5),
    "step_size": (1, 5),
    "decay_rate": (0.5, 0.9),
    "total_steps": (1, 2, 10, 100),
    "rising_fraction": (0.3, 0.0, 1.0),
    "annealing": ("cos", "linear"),
    "boundaries": ([1, 3], [2]),
    "values": ([1.0, 0.5, 0.1], [1.0, 0.5]),
    "power": (1.0, 0.5, 2.0),
    "end_learning_rate": (0.0, 0.01),
    "steps": (1, 5),
    "value": (0.0, 0.5),
    "gain": (1.0, 0.5),
    "minval": (-0.1, 0.0),
    "maxval": (0.1, 1.0),
    "mode": ("fan_in", "fan_out", "fan_avg"),
    "distribution": ("truncated_normal", "normal", "uniform", "untruncated_normal"),
    "l1": (0.0, 0.01),
    "l2": (0.0, 0.01),
    "initial_accumulator_value": (0.0, 0.1),
}
FLAGGED = (
    "use",
    "return",
    "go",
    "unroll",
    "stateful",
    "center",
    "normalize",
    "keepdims",
    "mask_zero",
    "unit",
    "reset",
    "rms",
    "from",
    "multi",
    "pad",
    "invert",
    "amsgrad",
    "nesterov",
    "centered",
    "staircase",
    "cycle",
    "three",
    "apply",
    "relative",
    "zero",
    "exclude_embeddings",
    "sparse",
)
NEVER = (
    "common",
    "unknown",
    "options",
    "function",
    "layer",
    "cell",
    "cells",
    "backward_layer",
)  # made otherwise, or **
HOSTILE_ONE_IN = 40


@functools.cache
def parameters(cls):
    """Names of the parameters of a constructor, and which of them have no default."""
    found = inspect.signature(cls).parameters.values()
    found = [p for p in found if p.name not in NEVER and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [p.name for p in found], {p.name for p in found if p.default is p.empty}


def option(choices, name, hostile_one_in=HOSTILE_ONE_IN):
    """A value for a parameter of this name: mostly a sensible one."""
    if choices.one_in(hostile_one_in):
        return values.thing(choices)
    if name.endswith("_constraint"):
        return (
            None
            if choices.one_in(2)
            else drawn(choices, choices.pick(classes_of(nn.constraints, nn.constraints.Constraint)))
        )
    if name.endswith("_regularizer"):
        return choices.pick((None, "l2", "l1", nn.regularizers.L2(0.01), nn.regularizers.L1L2(0.01, 0.02)))
    if name.endswith("_initializer"):
        if choices.one_in(3):
            return drawn(choices, choices.pick(classes_of(nn.initializers, nn.initializers.Initializer)))
        return choices.pick(("zeros", "ones", "glorot_uniform", "he_normal", "orthogonal", "lecun_uniform", "identity"))
    if name == "learning_rate" and choices.one_in(3):
        return drawn(
            choices, choices.pick(classes_of(nn.optimizers.schedules, nn.optimizers.schedules.LearningRateSchedule))
        )
    if name == "schedule":
        return nn.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    if name in POOLS:
        return choices.pick(POOLS[name])
    return choices.pick(FLAGS if name.startswith(FLAGGED) else values.NUMBERS)


@functools.cache
def classes_of(module, base):
    """The classes of a module that derive from one, in order."""
    found = [getattr(module, name) for name in sorted(dir(module)) if not name.startswith("_")]
    found = [cls for cls in found if isinstance(cls, type) and issubclass(cls, base) and cls is not base]
    return list(dict.fromkeys(cls for cls in found if not cls.__name__.startswith("_")))


def drawn(choices, cls, hostile_one_in=HOSTILE_ONE_IN, **given):
    """An object of a class, with few of its options drawn; None where it was refused."""
    names, needed = parameters(cls)
    arguments = {name: option(choices, name, hostile_one_in) for name in names if name in needed and name not in given}
    for _ in range(choices.between(0, 3)):
        name = choices.pick(names) if names else None
        if name is not None and name not in given:
            arguments[name] = option(choices, name, hostile_one_in)
    try:
        return cls(**given, **arguments)
    except MemoryError:
        return None
    except Exception as error:
        require_refusal(error, f"{cls.__name__}({arguments})")
        return None


def numbers_of(choices, shape, count):
    """Small numbers of a shape, as float64."""
    return values.base((count, *shape), "float64", 0, choices.below(64)).astype(np.float64)
