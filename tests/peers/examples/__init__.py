"""Programs for nncore and for Keras alike.

Each has `run(keras)`, which gets the package, trains, and returns figures by name. Their subjects are those of Keras's
own published examples. Adam's epsilon is so small that it does not matter on which side of the root it stands.
"""
