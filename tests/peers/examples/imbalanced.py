"""Few positives among many rows: weights of classes, dropout, precision and recall."""

from peers.examples.data import fraud


def run(keras):
    x, y = fraud()
    train, test = slice(0, 3000), slice(3000, None)
    mean, deviation = x[train].mean(0), x[train].std(0)
    x = (x - mean) / deviation
    positives = float(y[train].sum())
    model = keras.Sequential([
        keras.Input(x.shape[1:]),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(1, activation="sigmoid"),
    ])  # fmt: skip
    model.compile(
        optimizer=keras.optimizers.Adam(0.003, epsilon=1e-14),
        loss="binary_crossentropy",
        metrics=[keras.metrics.Precision(name="precision"), keras.metrics.Recall(name="recall"),
                 keras.metrics.FalsePositives(name="fp"), keras.metrics.TruePositives(name="tp")],
    )  # fmt: skip
    share = positives / len(x[train])
    model.fit(x[train], y[train], batch_size=256, epochs=30, verbose=0, validation_data=(x[test], y[test]),
              class_weight={0: 0.5 / (1 - share), 1: 0.5 / share})  # fmt: skip
    found = model.evaluate(x[test], y[test], verbose=0, return_dict=True)
    return {"precision": found["precision"], "recall": found["recall"]}
