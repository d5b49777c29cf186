"""Callbacks: what happens beside training. Write your own by extending :class:`Callback`."""

from tinynet.callbacks.base import Callback, CallbackList, History, LambdaCallback
from tinynet.callbacks.checkpoint import ModelCheckpoint
from tinynet.callbacks.control import EarlyStopping, LearningRateScheduler, ReduceLROnPlateau, TerminateOnNaN
from tinynet.callbacks.progress import EpochLines, ProgressBar
from tinynet.callbacks.record import CSVLogger, PlotTraining

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "EpochLines",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "PlotTraining",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
