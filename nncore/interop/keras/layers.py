"""Which layers are on both sides, and why the others are not. Names and configurations are the same but for a few."""

# Layers of one class name on both sides, whose configurations agree where both have an argument.
SAME = frozenset((
    "ELU", "GRU", "LSTM", "Activation", "Add", "AdditiveAttention", "AlphaDropout", "Attention", "Average",
    "AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Bidirectional", "CategoryEncoding", "Concatenate",
    "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Cropping1D", "Cropping2D", "Dense", "DepthwiseConv1D",
    "DepthwiseConv2D", "Discretization", "Dot", "Dropout", "Embedding", "Flatten", "GaussianDropout", "GaussianNoise",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "GroupNormalization", "InputLayer", "LayerNormalization", "LeakyReLU", "Masking", "MaxPooling1D", "MaxPooling2D",
    "Maximum", "Minimum", "MultiHeadAttention", "Multiply", "Normalization", "PReLU", "Permute", "RMSNormalization",
    "ReLU", "RepeatVector", "Rescaling", "Reshape", "SeparableConv1D", "SeparableConv2D", "SimpleRNN",
    "Softmax", "SpatialDropout1D", "SpatialDropout2D", "Subtract", "TimeDistributed", "UnitNormalization",
    "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
))  # fmt: skip

# A recurrent layer of Keras around one of its own cells is the layer of that name here.
OF_CELL = {"SimpleRNNCell": "SimpleRNN", "LSTMCell": "LSTM", "GRUCell": "GRU"}

# Layers of both sides that Keras has in TensorFlow alone.
DATA_OF_TENSORFLOW = ("Hashing", "IntegerLookup", "StringLookup", "TextVectorization")

_VOLUMES = "nncore has no layers of three spatial axes"
_IMAGES = "it prepares or distorts images, which nncore leaves to the pipeline of data"
_ADAPTIVE = "nncore has no windows of unlike sizes"
_RECURRENT_IMAGES = "nncore has no convolutions inside of recurrent layers"
_CROSSES = "nncore has no crosses of features"
_TABLES = "it is a program of TensorFlow's, and keeps a table that is no weight; encode the data before the model"
_NOT_YET = "nncore does not have it yet"
# Those of Keras alone, each with the reason.
KERAS_ONLY = {
    **dict.fromkeys(("AveragePooling3D", "Conv3D", "Conv3DTranspose", "Cropping3D", "GlobalAveragePooling3D",
                     "GlobalMaxPooling3D", "MaxPooling3D", "SpatialDropout3D", "UpSampling3D", "ZeroPadding3D"),
                    _VOLUMES),
    **dict.fromkeys(("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D",
                     "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D"), _ADAPTIVE),
    **dict.fromkeys(("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), _RECURRENT_IMAGES),
    **dict.fromkeys(("AugMix", "AutoContrast", "CenterCrop", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix",
                     "Equalization", "MaxNumBoundingBoxes", "MixUp", "Pipeline", "RandAugment", "RandomBrightness",
                     "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomCrop",
                     "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale",
                     "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation",
                     "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom",
                     "Resizing", "Solarization"), _IMAGES),
    **dict.fromkeys(("FeatureSpace", "HashedCrossing"), _CROSSES),
    **dict.fromkeys(DATA_OF_TENSORFLOW, _TABLES),
    **dict.fromkeys(("ActivityRegularization", "EinsumDense", "GroupQueryAttention", "GroupedQueryAttention",
                     "Identity", "ReversibleEmbedding", "SpectralNormalization"), _NOT_YET),
    **dict.fromkeys(("MelSpectrogram", "STFTSpectrogram"), "it transforms sound, which nncore leaves to others"),
    **dict.fromkeys(("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"), "it is a program of another library"),
    "Lambda": "it is a function of Python",
    "Layer": "it is a base class, whose subclasses are programs of the user's",
    "Wrapper": "it is a base class, whose subclasses are programs of the user's",
    "RNN": "its cell is a program, unless it is a SimpleRNNCell, LSTMCell or GRUCell",
    **dict.fromkeys(("GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"), "cells are part of layers in nncore; "
                    "GRU, LSTM, SimpleRNN and RNN around one such cell come over"),
}  # fmt: skip

# Those of nncore alone.
NNCORE_ONLY = {
    **dict.fromkeys(DATA_OF_TENSORFLOW, "Keras needs TensorFlow for it; take the model behind it, and call the layer "
                    "on the data"),
    "Layer": "it is a base class, whose subclasses are programs of the user's",
    "RNN": "its cell is a program of the user's",
    "StackedRNNCells": "its cells are programs of the user's",
}  # fmt: skip


def refusal(name, where, only):
    """The ValueError for a layer that the other side does not have."""
    reason = only.get(name, "it is no layer of the library's own")
    return ValueError(f"{where} ({name}) cannot come over: {reason}")


def check_code(ours, where):
    """Refuses codes of tables together, of which the two sides mean other axes."""
    encodes = type(ours).__name__ in ("CategoryEncoding", "Discretization")
    if encodes and ours.output_mode in ("multi_hot", "count") and len(ours.input_shape) > 1:
        raise ValueError(
            f"{where} ({type(ours).__name__}) cannot come over: output_mode={ours.output_mode!r} of samples of shape "
            f"{ours.input_shape} is of the first axis in Keras, and of the last in nncore"
        )
