"""Callbacks: hooks into `fit`, `evaluate` and `predict`, with Keras's names."""

from nncore.callbacks.backup_and_restore import BackupAndRestore
from nncore.callbacks.callback import Callback
from nncore.callbacks.callback_list import CallbackList
from nncore.callbacks.csv_logger import CSVLogger
from nncore.callbacks.early_stopping import EarlyStopping
from nncore.callbacks.history import History
from nncore.callbacks.lambda_callback import LambdaCallback
from nncore.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from nncore.callbacks.model_checkpoint import ModelCheckpoint
from nncore.callbacks.progress import ProgbarLogger
from nncore.callbacks.tensorboard import TensorBoard
from nncore.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = ["BackupAndRestore", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History", "LambdaCallback",
           "LearningRateScheduler", "ModelCheckpoint", "ProgbarLogger", "ReduceLROnPlateau", "TensorBoard",
           "TerminateOnNaN"]  # fmt: skip
