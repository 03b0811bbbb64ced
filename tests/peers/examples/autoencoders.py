"""Autoencoders of digits: one layer, a sparse one, several layers; parts of a trained model as models."""

import numpy as np

from peers.examples.data import images, rows_of_pixels

CODE = 32


def chain(keras, units, last, **options):
    """Dense layers, of which only the last is no ReLU."""
    layers = [keras.layers.Dense(n, activation="relu", **options) for n in units]
    return [*layers, *([keras.layers.Dense(last, activation="sigmoid")] if last else [])]


def autoencoder(keras, pixels, down, up, **options):
    """(model, encoder, decoder), which share their layers."""
    image = keras.Input((pixels,))
    code = image
    for layer in chain(keras, down, None, **options):
        code = layer(code)
    decoding = chain(keras, up, pixels)
    y, start = code, keras.Input((CODE,))
    z = start
    for layer in decoding:
        y, z = layer(y), layer(z)
    return keras.Model(image, y), keras.Model(image, code), keras.Model(start, z)


def run(keras):
    (x, _), (x_test, _) = images()
    x, x_test = rows_of_pixels(x), rows_of_pixels(x_test)
    kinds = {
        "simple": ([CODE], [], {}),
        "sparse": ([CODE], [], {"activity_regularizer": keras.regularizers.L1(1e-5)}),
        "deep": ([128, 64, CODE], [64, 128], {}),
    }
    results = {}
    for name, (down, up, options) in kinds.items():
        model, encoder, decoder = autoencoder(keras, x.shape[1], down, up, **options)
        model.compile(optimizer=keras.optimizers.Adam(epsilon=1e-14), loss="binary_crossentropy")
        history = model.fit(x, x, epochs=10, batch_size=64, verbose=0, validation_data=(x_test, x_test)).history
        results[f"{name} loss"] = history["val_loss"][-1]
        whole = model.predict(x_test, verbose=0)
        parts = decoder.predict(encoder.predict(x_test, verbose=0), verbose=0)
        np.testing.assert_allclose(parts, whole, atol=1e-5)
    return results
