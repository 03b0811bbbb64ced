"""Three inputs, two outputs with losses and weights of their own; data by position and by name."""

from peers.examples.data import tickets


def run(keras):
    (title, text, tags), (priority, department) = tickets()
    inputs = {
        "title": keras.Input((title.shape[1],), name="title"),
        "text": keras.Input((text.shape[1],), name="text"),
        "tags": keras.Input((tags.shape[1],), name="tags"),
    }
    branches = [
        keras.layers.Dense(32, activation="relu")(inputs["title"]),
        keras.layers.Dense(48, activation="relu")(inputs["text"]),
        inputs["tags"],
    ]
    together = keras.layers.concatenate(branches)
    outputs = [
        keras.layers.Dense(1, activation="sigmoid", name="priority")(together),
        keras.layers.Dense(4, activation="softmax", name="department")(together),
    ]
    model = keras.Model(inputs=list(inputs.values()), outputs=outputs)
    model.compile(
        optimizer=keras.optimizers.RMSprop(0.003),
        loss={"priority": keras.losses.BinaryCrossentropy(), "department": "sparse_categorical_crossentropy"},
        loss_weights={"priority": 1.0, "department": 0.5},
        metrics={"priority": ["accuracy"], "department": ["accuracy"]},
    )
    x = {"title": title, "text": text, "tags": tags}
    y = {"priority": priority, "department": department}
    model.fit(x, y, epochs=15, batch_size=32, verbose=0)
    return model.evaluate(list(x.values()), list(y.values()), verbose=0, return_dict=True)
