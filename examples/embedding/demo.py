"""What the two modules do: a network learns a hill, and the search finds its top."""

import numpy as np
import ranking
import scoring

import nncore as nn
from nncore.embed import Predictor

TOP = np.array([0.5, -0.25], np.float32)

x = np.random.default_rng(0).uniform(-1, 1, (2000, 2)).astype(np.float32)
model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(32, activation="tanh"), nn.layers.Dense(1)], seed=0)
model.compile(nn.optimizers.Adam(0.01), "mse")
model.fit(x, -np.square(x - TOP).sum(1, keepdims=True), epochs=60, verbose=0)
predictor = Predictor(model)

ends = ranking.climb(predictor, x[:20], length=0.02)
print("furthest from the top:", round(float(np.abs(ends - TOP).max()), 2))

scores = np.empty((len(x), 1), np.float32)
print("rows:", scoring.score(predictor, x, scores), "same as predict:", (scores == model.predict(x, verbose=0)).all())
