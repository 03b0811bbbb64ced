"""Nine classes from a table: PReLU, batch normalization and dropout; minibatches by number, callbacks of one's own."""

import math

from peers.examples.data import products


def minibatches(keras, x, y, batch_size):
    class Minibatches(keras.utils.PyDataset):
        def __len__(self):
            return math.ceil(len(x) / batch_size)

        def __getitem__(self, index):
            rows = slice(index * batch_size, (index + 1) * batch_size)
            return x[rows], y[rows]

    return Minibatches(workers=2)


def stop_at_the_best(keras, patience):
    class StopAtTheBest(keras.callbacks.Callback):
        """Halves the learning rate every tenth epoch; ends with the weights of the lowest loss of the validation."""

        def on_train_begin(self, logs=None):
            self.best, self.waited, self.weights = math.inf, 0, None

        def on_epoch_begin(self, epoch, logs=None):
            if epoch and epoch % 10 == 0:
                self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2

        def on_epoch_end(self, epoch, logs=None):
            self.waited += 1
            if logs["val_loss"] < self.best:
                self.best, self.waited, self.weights = logs["val_loss"], 0, self.model.get_weights()
            self.model.stop_training = self.waited >= patience

        def on_train_end(self, logs=None):
            self.model.set_weights(self.weights)

    return StopAtTheBest()


def run(keras):
    x, y = products()
    train, held_out, test = slice(0, 2000), slice(2000, 2400), slice(2400, None)
    model = keras.Sequential([keras.Input(x.shape[1:])])
    for _ in range(2):
        model.add(keras.layers.Dense(96))
        model.add(keras.layers.PReLU())
        model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(9))
    model.add(keras.layers.Activation("softmax"))
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(0.003, epsilon=1e-14),
                  metrics=["accuracy"])  # fmt: skip
    y = keras.utils.to_categorical(y, 9)
    model.fit(minibatches(keras, x[train], y[train], 128), epochs=30, verbose=0,
              validation_data=minibatches(keras, x[held_out], y[held_out], 100),
              callbacks=[stop_at_the_best(keras, patience=12)])  # fmt: skip
    loss, accuracy = model.evaluate(x[test], y[test], verbose=0)
    return {"loss": loss, "accuracy": accuracy}
