"""nncore beside Keras, PyTorch and optax: the same inputs and weights, the same numbers.

Every module is a table and a few tests over it. What nncore does not have yet is skipped until it has it;
test_keras_signatures.py sees to it that what nncore has stands in the table of its kind.
"""
