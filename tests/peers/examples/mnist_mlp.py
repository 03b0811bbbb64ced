"""Digits, with two hidden layers and dropout."""

from peers.examples.data import images, rows_of_pixels


def run(keras):
    (x, y), (x_test, y_test) = images()
    x, x_test = rows_of_pixels(x), rows_of_pixels(x_test)
    model = keras.Sequential([keras.Input(x.shape[1:])])
    for _ in range(2):
        model.add(keras.layers.Dense(256, activation="relu"))
        model.add(keras.layers.Dropout(0.2))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=8, verbose=0, validation_split=0.1)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    return {"loss": loss, "accuracy": accuracy}
