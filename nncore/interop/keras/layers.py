"""Which layers are on both sides, and why the others are not. Names and configurations are the same but for a few."""

# Layers of one class name on both sides, whose configurations agree where both have an argument.
SAME = frozenset((
    "ELU", "GRU", "LSTM", "Activation", "Add", "AdditiveAttention", "AlphaDropout", "Attention", "Average",
    "AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Bidirectional", "Concatenate", "Conv1D",
    "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Cropping1D", "Cropping2D", "Dense", "DepthwiseConv1D",
    "DepthwiseConv2D", "Dot", "Dropout", "Embedding", "Flatten", "GaussianDropout", "GaussianNoise",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "GroupNormalization", "InputLayer", "LayerNormalization", "LeakyReLU", "Masking", "MaxPooling1D", "MaxPooling2D",
    "Maximum", "Minimum", "MultiHeadAttention", "Multiply", "PReLU", "Permute", "RMSNormalization", "ReLU",
    "RepeatVector", "Rescaling", "Reshape", "SeparableConv1D", "SeparableConv2D", "SimpleRNN", "Softmax",
    "SpatialDropout1D", "SpatialDropout2D", "Subtract", "TimeDistributed", "UnitNormalization", "UpSampling1D",
    "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
))  # fmt: skip

# A recurrent layer of Keras around one of its own cells is the layer of that name here.
OF_CELL = {"SimpleRNNCell": "SimpleRNN", "LSTMCell": "LSTM", "GRUCell": "GRU"}

_VOLUMES = "nncore has no layers of three spatial axes"
_IMAGES = "it prepares or distorts images, which nncore leaves to the pipeline of data"
_ADAPTIVE = "nncore has no windows of unlike sizes"
_RECURRENT_IMAGES = "nncore has no convolutions inside of recurrent layers"
_TABLES = "it learns from data by `adapt`, or keeps a table that is no weight"
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
    **dict.fromkeys(("CategoryEncoding", "Discretization", "FeatureSpace", "HashedCrossing", "Hashing",
                     "IntegerLookup", "Normalization", "StringLookup", "TextVectorization"), _TABLES),
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
    "Layer": "it is a base class, whose subclasses are programs of the user's",
    "RNN": "its cell is a program of the user's",
    "StackedRNNCells": "its cells are programs of the user's",
}


def refusal(name, where, only):
    """The ValueError for a layer that the other side does not have."""
    reason = only.get(name, "it is no layer of the library's own")
    return ValueError(f"{where} ({name}) cannot come over: {reason}")
