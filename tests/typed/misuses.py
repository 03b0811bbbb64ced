"""What type checkers must report: a comment without anything to ignore is an error itself. See ../test_typing.py."""

import numpy as np

import nncore as nn

x = np.zeros((4, 3))
model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(1)])

# arguments that there are not, and those of Keras's that are not supported
nn.layers.Dense(3, actvation="relu")  # type: ignore[call-arg]
nn.layers.Dense(3, lora_rank=4)  # type: ignore[arg-type]
nn.layers.Dense(3, dtype="float32")  # type: ignore[arg-type]
nn.layers.Dense()  # type: ignore[call-arg]
nn.layers.LSTM(3, use_cudnn=True)  # type: ignore[arg-type]
nn.layers.BatchNormalization(synchronized=True)  # type: ignore[arg-type]
nn.optimizers.Adam(learnin_rate=0.1)  # type: ignore[call-arg]
nn.optimizers.Adam(loss_scale_factor=2.0)  # type: ignore[arg-type]
nn.optimizers.AdamW(0.1, clipnrm=1.0)  # type: ignore[call-arg]
model.compile(run_eagerly=True)  # type: ignore[arg-type]

# types
nn.layers.Dense("3")  # type: ignore[arg-type]
nn.layers.Dense(3, activation=np.tanh)  # type: ignore[arg-type]
nn.layers.Dense(3, kernel_regularizer=0.1)  # type: ignore[arg-type]
nn.layers.Conv2D(3, 3, padding="smae")  # type: ignore[arg-type]
nn.layers.Conv2D(3, 3, data_format="channels_first")  # type: ignore[arg-type]
nn.layers.Dropout("0.5")  # type: ignore[arg-type]
nn.layers.Bidirectional(nn.layers.Dense(3))  # type: ignore[arg-type]
nn.losses.MeanSquaredError(reduction="average")  # type: ignore[arg-type]
nn.metrics.AUC(curve="roc curve")  # type: ignore[arg-type]
nn.Sequential(nn.layers.Dense(3))  # type: ignore[arg-type]
nn.Sequential([3])  # type: ignore[list-item]
nn.Model("a", "b")  # type: ignore[arg-type]
nn.Sequential([], dtype="float16")  # type: ignore[arg-type]
model.compile(optimizer=0.1)  # type: ignore[arg-type]
model.compile(metrics=[1])  # type: ignore[list-item]
model.fit("data.csv", x)  # type: ignore[arg-type]
model.fit(x, x, epochs="3")  # type: ignore[arg-type]
model.fit(x, x, verbose=3)  # type: ignore[arg-type]
model.fit(x, x, callbacks=[print])  # type: ignore[list-item]
model.predict()  # type: ignore[call-arg]
model.save(3)  # type: ignore[arg-type]
nn.config.set_nonfinite("warn")  # type: ignore[arg-type]
nn.optimizers.SGD("fast")  # type: ignore[arg-type]
nn.initializers.VarianceScaling(mode="fan")  # type: ignore[arg-type]
nn.callbacks.EarlyStopping(mode="best")  # type: ignore[arg-type]

# names
model.fitt(x, x)  # type: ignore[attr-defined]
model.count_parameters()  # type: ignore[attr-defined]
nn.layers.Desne(3)  # type: ignore[attr-defined]
nn.losses.MSE()  # type: ignore[attr-defined]
nn.optimizers.Adam().lr  # type: ignore[attr-defined]  # noqa: B018
nn.layers.Dense(3).kernel = x  # type: ignore[assignment]

# what else people use
nn.layers.StringLookup(output_mode="hot")  # type: ignore[arg-type]
nn.layers.Hashing("many")  # type: ignore[arg-type]
nn.utils.pad_sequences([[1]], padding="after")  # type: ignore[arg-type]
nn.interop.c.export("model.safetensors", "model.c")  # type: ignore[arg-type]
nn.plots.loss_landscape(model, x, x, dimensions=3)  # type: ignore[arg-type]
