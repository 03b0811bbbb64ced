"""A small and a large network, one with penalties, one with dropout too, under a falling learning rate."""

from peers.examples.data import images, rows_of_pixels


def run(keras):
    (x, y), (x_test, y_test) = images(600, 500)
    x, x_test = rows_of_pixels(x), rows_of_pixels(x_test)

    def network(units, rate=0.0, penalty=None):
        model = keras.Sequential([keras.Input(x.shape[1:])])
        for _ in range(2):
            model.add(keras.layers.Dense(units, activation="elu", kernel_regularizer=penalty))
            if rate:
                model.add(keras.layers.Dropout(rate))
        model.add(keras.layers.Dense(10))
        return model

    kinds = {
        "small": network(16),
        "large": network(256),
        "penalties": network(256, penalty=keras.regularizers.L2(0.001)),
        "both": network(256, rate=0.4, penalty=keras.regularizers.L2(0.0005)),
    }
    results = {}
    for name, model in kinds.items():
        falling = keras.callbacks.LearningRateScheduler(lambda epoch: 0.001 / (1 + epoch / 10))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.Adam(epsilon=1e-14), loss=loss, metrics=["accuracy"])
        logs = model.fit(x, y, batch_size=64, epochs=20, verbose=0, validation_data=(x_test, y_test),
                         callbacks=[falling]).history  # fmt: skip
        results[f"{name} accuracy"] = logs["val_accuracy"][-1]
        results[f"{name} loss"] = logs["val_loss"][-1]
    return results
