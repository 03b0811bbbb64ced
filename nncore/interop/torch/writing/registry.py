"""Which layers can be written as modules of PyTorch: the table, which the families fill, and what is refused."""

LAYERS: dict = {}  # {name of a class in nn.layers: function (writer, layer, inputs, shapes of samples, options)}


def layer(*names):
    """Decorates what writes layers of these classes."""

    def register(function):
        LAYERS.update(dict.fromkeys(names, function))
        return function

    return register


REFUSED = {
    "Layer": "it is a base class, whose subclasses are programs of the user's",
    **dict.fromkeys(("CategoryEncoding", "Discretization", "Hashing", "IntegerLookup", "StringLookup",
                     "TextVectorization"), "it encodes data in Python, which PyTorch has no module for; take the model "
                    "behind it, and call the layer on the data"),
    "InputLayer": "it stands for data, and not among other layers",
    "Masking": "PyTorch has no masks that come with tensors",
    "RNN": "its cell is a program of the user's",
    "StackedRNNCells": "its cells are programs of the user's",
}  # fmt: skip


def refusal(name, where):
    """The ValueError for a layer that cannot be written."""
    return ValueError(f"{where} ({name}) cannot go over: {REFUSED.get(name, 'it is no layer of the library')}")
