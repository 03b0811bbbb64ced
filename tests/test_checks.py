"""Checks of arguments, one by one: what is let through, as what, and the words of each refusal."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest

import nncore as nn
from nncore import _checks


def says(error, words):
    """Expects the error with exactly these words."""
    return pytest.raises(error, match=f"^{re.escape(words)}$")


# ---- integers and shapes


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_an_integer_is_anything_that_python_counts_with(value):
    number = _checks.integer("Owner", "size", value)
    assert number == 3
    assert type(number) is int


@pytest.mark.parametrize("value", [True, False, 2.0, "2", None, [2], np.array([2]), np.arange(3), np.float32(2)])
def test_what_is_no_integer_is_a_type_error_that_names_it(value):
    with says(TypeError, f"Owner: size must be an integer, not {value!r}"):
        _checks.integer("Owner", "size", value)


def test_integers_have_a_least_value():
    assert _checks.integer("Owner", "size", 0) == 0
    assert _checks.integer("Owner", "size", 5, least=5) == 5
    with says(ValueError, "Owner: size must be at least 0, not -1"):
        _checks.integer("Owner", "size", -1)
    with says(ValueError, "Owner: size must be at least 5, not 4"):
        _checks.integer("Owner", "size", 4, least=5)
    with says(ValueError, "Owner: size must be at least 1, not 0"):
        _checks.positive_integer("Owner", "size", 0)


def test_shapes_of_samples_are_tuples_of_positive_integers():
    assert _checks.sample_shape("Owner", "shape", 3) == (3,)
    assert _checks.sample_shape("Owner", "shape", np.array(3)) == (3,)
    assert _checks.sample_shape("Owner", "shape", [2, np.int64(3)]) == (2, 3)
    assert _checks.sample_shape("Owner", "shape", np.array([2, 3])) == (2, 3)
    assert _checks.sample_shape("Owner", "shape", (n for n in (2, 3))) == (2, 3)
    assert _checks.sample_shape("Owner", "shape", ()) == ()
    with says(ValueError, "Owner: shape (2, 0) must be at least 1, not 0"):
        _checks.sample_shape("Owner", "shape", (2, 0))
    with says(TypeError, "Owner: shape (2, None) must be an integer, not None"):
        _checks.sample_shape("Owner", "shape", (2, None))
    for wrong in (None, 3.5):
        with says(TypeError, f"Owner: shape must be an integer or a tuple of them, not {wrong!r}"):
            _checks.sample_shape("Owner", "shape", wrong)


# ---- real numbers


@pytest.mark.parametrize("value", [0.5, np.float16(0.5), Fraction(1, 2), np.array(0.5)])
def test_a_real_number_is_anything_that_has_a_float(value):
    number = _checks.real_number("Owner", "rate", value)
    assert number == 0.5
    assert type(number) is float


@pytest.mark.parametrize("value", ["0.5", b"0.5", bytearray(b"1"), None, 1j, [0.5], {}, np.ones(2)])
def test_what_is_no_number_is_a_type_error_that_names_it(value):
    with says(TypeError, f"Owner: rate must be a number, not {value!r}"):
        _checks.real_number("Owner", "rate", value)


@pytest.mark.parametrize(("options", "inside", "outside", "interval"), [
    ({}, [0, 0.5, 1], [-0.001, 1.001], "[0, 1]"),
    ({"low_open": True}, [0.001, 1], [0, -1, 1.001], "(0, 1]"),
    ({"high_open": True}, [0, 0.999], [1, 2, -0.001], "[0, 1)"),
    ({"low_open": True, "high_open": True}, [0.001, 0.999], [0, 1], "(0, 1)"),
])  # fmt: skip
def test_intervals_have_their_ends_or_not(options, inside, outside, interval):
    for value in inside:
        assert _checks.real_number("Owner", "rate", value, 0, 1, **options) == value
    for value in outside:
        with says(ValueError, f"Owner: rate must lie in {interval}; got {value!r}"):
            _checks.real_number("Owner", "rate", value, 0, 1, **options)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_numbers_are_finite_even_where_an_interval_is_not(value):
    with says(ValueError, f"Owner: rate must lie in [-inf, inf]; got {value!r}"):
        _checks.real_number("Owner", "rate", value)


# ---- yes or no, and types


@pytest.mark.parametrize("value", [True, 1, 1.0, np.True_, np.array(True)])
def test_a_boolean_is_one_or_zero(value):
    assert _checks.boolean("Owner", "flag", value) is True
    assert _checks.boolean("Owner", "flag", type(value)(0)) is False if type(value) is not np.ndarray else True


@pytest.mark.parametrize("value", ["True", 2, None, [], [True], np.array([True]), np.zeros(2)])
def test_what_is_neither_true_nor_false_is_a_type_error(value):
    with says(TypeError, f"Owner: flag must be True or False, not {value!r}"):
        _checks.boolean("Owner", "flag", value)


def test_names_of_types():
    assert _checks.name_of_dtype("Owner", np.float32) == "float32"
    assert _checks.name_of_dtype("Owner", "<i8") == "int64"
    with says(ValueError, "Owner: dtype must be a type of numbers, not 'float33'"):
        _checks.name_of_dtype("Owner", "float33")


# ---- names and configurations


class Thing:
    def __init__(self, size=1):
        self.size = size

    def get_config(self):
        return {"size": self.size}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Other(Thing):
    pass


CHOICES = ("thing", Thing, {"a_thing": Thing, "b_thing": Other}, {"Thing": Thing, "Other": Other})


def test_a_thing_is_found_by_object_class_name_and_configuration():
    thing = Thing(3)
    assert _checks.resolve(CHOICES[0], thing, *CHOICES[1:]) is thing
    for identifier, cls in [(Other, Other), ("b_thing", Other), ("Other", Other), ("a_thing", Thing)]:
        found = _checks.resolve(CHOICES[0], identifier, *CHOICES[1:])
        assert (type(found), found.size) == (cls, 1)
    found = _checks.resolve(CHOICES[0], {"class_name": "Other", "config": {"size": 4}}, *CHOICES[1:])
    assert (type(found), found.size) == (Other, 4)


def test_classes_of_the_users_are_found_by_their_names_in_files():
    with nn.saving.custom_object_scope({"Own": Other, "Custom>Mine": Thing}):
        assert type(_checks.resolve(CHOICES[0], "Own", *CHOICES[1:])) is Other
        assert type(_checks.resolve(CHOICES[0], "Package>Own", *CHOICES[1:])) is Other
        for name, cls in [("Own", Other), ("Package>Own", Other), ("Custom>Mine", Thing)]:
            found = _checks.resolve(CHOICES[0], {"class_name": name, "config": {}}, *CHOICES[1:])
            assert type(found) is cls


def test_unknown_names_come_with_the_nearest_and_all():
    with says(ValueError, "unknown thing 'b_thin'. Did you mean 'b_thing'? There are: Other, Thing, a_thing, b_thing"):
        _checks.resolve(CHOICES[0], "b_thin", *CHOICES[1:])
    with says(ValueError, "unknown thing 'zzz'. There are: Other, Thing, a_thing, b_thing"):
        _checks.resolve(CHOICES[0], "zzz", *CHOICES[1:])
    with says(ValueError, "unknown thing 'Othr'. Did you mean 'Other'? There are: Other, Thing"):
        _checks.resolve(CHOICES[0], {"class_name": "Othr", "config": {}}, *CHOICES[1:])
    with says(ValueError, "unknown thing 'P>Q': custom_objects={'Q': Q} makes it known, or a registered class"):
        _checks.resolve(CHOICES[0], {"class_name": "P>Q", "config": {}}, *CHOICES[1:])


@pytest.mark.parametrize("name", [[], {}, 3, None])
def test_a_configuration_that_names_no_class_is_a_value_error(name):
    """It may come from a file."""
    with says(ValueError, f"thing: class_name must be a text and config a dict; got {name!r} and {{}}"):
        _checks.resolve(CHOICES[0], {"class_name": name, "config": {}}, *CHOICES[1:])
    with says(ValueError, f"thing: class_name must be a text and config a dict; got 'Thing' and {name or ()!r}"):
        _checks.resolve(CHOICES[0], {"class_name": "Thing", "config": name or ()}, *CHOICES[1:])


@pytest.mark.parametrize("wrong", [3, None, [], int, {}, {"class_name": "Thing"},
                                   ["class_name", "config"], {"class_name": "Thing", "x": {}},
                                   {"class_name": "Thing", "config": {}, "more": 1}])  # fmt: skip
def test_what_stands_for_nothing_is_a_type_error(wrong):
    with says(TypeError, f"{wrong!r} is no thing: a name, a configuration or an object of Thing is wanted"):
        _checks.resolve(CHOICES[0], wrong, *CHOICES[1:])


def test_a_description_has_the_class_and_its_arguments():
    assert _checks.serialize(nn.losses.Huber(delta=2.0))["class_name"] == "Huber"
    assert _checks.serialize(Other(5)) == {"class_name": "Custom>Other", "config": {"size": 5}}


# ---- arguments that are not supported


def test_arguments_that_are_not_supported_are_refused_by_name():
    _checks.refuse("Owner", first=None, second=None)
    with says(ValueError, "Owner does not support the argument 'second' (got 0)"):
        _checks.refuse("Owner", first=None, second=0, third=1)
    _checks.refuse_unknown("Owner", {})
    with says(TypeError, "Owner has no argument 'first'"):
        _checks.refuse_unknown("Owner", {"first": None})


# ---- where users meet them


def model():
    layers = [nn.Input((2,)), nn.layers.Dense(2, activation="softmax")]
    model = nn.Sequential(layers, name="sequential")
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


X, Y = np.zeros((4, 2), "float32"), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(("misuse", "error", "words"), {
    "weights of classes in a list": (lambda: model().fit(X, Y, class_weight=[1, 2]), TypeError,
                                     "class_weight must be a dict from class to weight; got [1, 2]"),
    "weights of classes in an array": (lambda: model().train_on_batch(X, Y, class_weight=np.ones(2)), TypeError,
                                       "class_weight must be a dict from class to weight; got array([1., 1.])"),
    "an empty list of them": (lambda: model().train_on_batch(X, Y, class_weight=[]), TypeError,
                              "class_weight must be a dict from class to weight; got []"),
    "a weight of text": (lambda: model().fit(X, Y, class_weight={0: "a"}), TypeError,
                         "class_weight: the weight of class 0 must be a number, not 'a'"),
    "no weight": (lambda: model().fit(X, Y, class_weight={1: None}), TypeError,
                  "class_weight: the weight of class 1 must be a number, not None"),
    "a negative weight": (lambda: model().fit(X, Y, class_weight={1: -0.5}), ValueError,
                          "class_weight: the weight of class 1 must lie in [0, 3.4028234663852886e+38]; got -0.5"),
    "a weight of NaN": (lambda: model().fit(X, Y, class_weight={1: math.nan}), ValueError,
                        "class_weight: the weight of class 1 must lie in [0, 3.4028234663852886e+38]; got nan"),
    "a weight beyond float32": (lambda: model().fit(X, Y, class_weight={1: 1e300}), ValueError,
                                ("class_weight: the weight of class 1 must lie in [0, 3.4028234663852886e+38]; "
                                 "got 1e+300")),
    "weights of rows beyond float32": (lambda: model().fit(X, Y, sample_weight=[1, 1, 1, 1e300]), ValueError,
                                       "sample_weight must be finite in float32 and not negative"),
    "an integer beyond all floats": (lambda: model().predict([[10**400, 1]]), TypeError,
                                     ("x must hold real numbers; got an array of objects: int too large to convert to "
                                      "float")),
    "one class that there is not": (lambda: nn.losses.SparseCategoricalCrossentropy()(5, [[0.5, 0.5]]), ValueError,
                                    "y_true holds the class 5 in row 0; the output has classes 0 to 1"),
    "no rows at a time": (lambda: model().evaluate(X, Y, batch_size=0), ValueError,
                          "evaluate: batch_size must be at least 1, not 0"),
    "half a row at a time": (lambda: model().predict(X, batch_size=0.5), TypeError,
                             "predict: batch_size must be an integer, not 0.5"),
    "no weights": (lambda: model().set_weights(None), TypeError,
                   "model 'sequential': weights must be a list, not None"),
    "one layer": (lambda: nn.Sequential(3), TypeError, "Sequential takes a list of layers; got 3"),
    "a layer's name for its number": (lambda: model().get_layer(index="dense"), TypeError,
                                      "get_layer: index must be an integer, not 'dense'"),
    "a layer too far back": (lambda: model().get_layer(index=-3), ValueError,
                             "get_layer: index must be at least -1, not -3"),
    "a layer too far on": (lambda: model().get_layer(index=1), ValueError,
                           "there is no layer 1; the model has 1 layers"),
    "a number for validation data": (lambda: model().fit(X, Y, validation_data=3), ValueError,
                                     "validation_data must be (x, y) or (x, y, sample_weight); got int"),
    "one thing for validation data": (lambda: model().fit(X, Y, validation_data=(X,)), ValueError,
                                      "validation_data must be (x, y) or (x, y, sample_weight); got 1 things"),
    "a negative first epoch": (lambda: model().fit(X, Y, initial_epoch=-5), ValueError,
                               "fit: initial_epoch must be at least 0, not -5"),
    "an array to shuffle": (lambda: model().fit(X, Y, shuffle=np.zeros(2)), TypeError,
                            "fit: shuffle must be True or False, not array([0., 0.])"),
    "a rate of text": (lambda: nn.optimizers.SGD("0.1"), TypeError,
                       "SGD: learning_rate must be a number, not '0.1'"),
    "a configuration of text": (lambda: nn.optimizers.get({"class_name": "SGD", "config": "x"}), ValueError,
                                "optimizer: class_name must be a text and config a dict; got 'SGD' and 'x'"),
}.values())  # fmt: skip
def test_misuse_that_used_to_end_in_errors_of_pythons(misuse, error, words):
    with says(error, words):
        misuse()


def test_a_refused_number_of_threads_leaves_it_as_it_was():
    before = nn.config.get_num_threads()
    with says(ValueError, f"set_num_threads: the number of threads must be at most 4096, not {2**31}"):
        nn.config.set_num_threads(2**31)
    assert nn.config.get_num_threads() == before
