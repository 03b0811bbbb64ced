"""Which modules and functions of PyTorch can be read: the tables, which the families fill, and what is refused."""

MODULES: dict = {}  # {name of a class in torch.nn: function (node, module, *inputs)}
FUNCTIONS: dict = {}  # {name of a function or method: function (node, *arguments)}, with PyTorch's names of arguments
KEEPS_AXES = {"contiguous", "float", "double"}  # names of what computes each element by itself


def module(*names):
    """Decorates what reads modules of these classes."""

    def register(function):
        MODULES.update(dict.fromkeys(names, function))
        return function

    return register


def function(*names):
    """Decorates what reads calls of functions and methods of these names."""

    def register(found):
        FUNCTIONS.update(dict.fromkeys(names, found))
        return found

    return register


_VOLUMES = "nncore has no layers of three spatial axes"
_LAZY = "it has no weights before its first data: run the module once"
_LOSS = "it is a loss: compile the model with one of nn.losses"
_RANDOM = "it draws random numbers that nncore does not have"
_INDICES = "nncore has no indices of maxima"
_NOT_YET = "nncore does not have it yet"
REFUSED = {
    **dict.fromkeys(("AdaptiveAvgPool3d", "AdaptiveMaxPool3d", "AvgPool3d", "BatchNorm3d", "CircularPad3d",
                     "ConstantPad3d", "Conv3d", "ConvTranspose3d", "Dropout3d", "FractionalMaxPool3d", "InstanceNorm3d",
                     "LPPool3d", "MaxPool3d", "MaxUnpool3d", "ReflectionPad3d", "ReplicationPad3d", "ZeroPad3d"),
                    _VOLUMES),
    **dict.fromkeys(("LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
                     "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d",
                     "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LazyLinear"), _LAZY),
    **dict.fromkeys(("AdaptiveLogSoftmaxWithLoss", "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss",
                     "CrossEntropyLoss", "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss",
                     "LinearCrossEntropyLoss", "MSELoss", "MarginRankingLoss", "MultiLabelMarginLoss",
                     "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "NLLLoss2d", "PoissonNLLLoss",
                     "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss"), _LOSS),
    **dict.fromkeys(("FractionalMaxPool2d", "RReLU", "FeatureAlphaDropout"), _RANDOM),
    **dict.fromkeys(("MaxUnpool1d", "MaxUnpool2d"), _INDICES),
    **dict.fromkeys(("Bilinear", "CosineSimilarity", "CrossMapLRN2d", "EmbeddingBag", "Fold", "GRUCell", "LPPool1d",
                     "LPPool2d", "LSTMCell", "LocalResponseNorm", "PairwiseDistance", "RNNCell", "SyncBatchNorm",
                     "Transformer", "Unfold"), _NOT_YET),
    "DataParallel": "the module in it is what comes over: module.module",
    **dict.fromkeys(("Container", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "RNNBase",
                     "RNNCellBase"), "it holds or defines modules, and computes nothing itself"),
}  # fmt: skip


def refusal(name, where):
    """The ValueError for a module that cannot be read."""
    reason = REFUSED.get(name, "it is no module of PyTorch's own, or one that its makers changed")
    return ValueError(f"{where} ({name}) cannot come over: {reason}")
