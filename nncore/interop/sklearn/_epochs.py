"""What happens at the end of each iteration of a solver with minibatches: the curves, and when to stop."""

import numpy as np

from nncore.callbacks import Callback


class Epochs(Callback):
    """Has an estimator take note of each epoch, and ends training as it says.

    Parameters
    ----------
    estimator : Multilayer
    rows : int, of an epoch
    judge : function, or None
        Returns the score on the validation data, and their loss or None.
    early_stopping : bool
        Whether the score decides, and not the training loss.
    """

    def __init__(self, estimator, rows, judge, early_stopping):
        self.estimator, self.rows, self.judge, self.early_stopping = estimator, rows, judge, early_stopping

    def on_epoch_end(self, epoch, logs=None):
        loss = self.estimator._reported_loss(logs)
        score = None
        if self.judge is not None:
            score, validation_loss = self.judge()
            if validation_loss is not None:
                self.estimator.validation_loss_curve_.append(validation_loss)
        if end_epoch(self.estimator, self.rows, loss, score, self.early_stopping):
            self.model.stop_training = True


def begin(estimator, early_stopping, scored):
    """Sets the attributes that epochs go on from, at the beginning of a training that is new."""
    estimator.n_iter_ = estimator.t_ = 0
    estimator.loss_curve_, estimator._no_improvement_count = [], 0
    estimator.best_loss_ = None if early_stopping else np.inf
    estimator.validation_scores_ = [] if scored else None
    estimator.best_validation_score_ = -np.inf if scored else None
    estimator._best_weights = estimator.model_.get_weights() if early_stopping else None


def end_epoch(estimator, rows, loss, score, early_stopping):
    """Takes note of an epoch of so many rows; returns whether training is to end."""
    estimator.n_iter_ += 1
    estimator.t_ += rows
    estimator.loss_ = loss
    estimator.loss_curve_.append(loss)
    if estimator.verbose:
        print(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")
    if score is not None:
        _note_score(estimator, score, early_stopping)
    if not early_stopping:
        worse = loss > estimator.best_loss_ - estimator.tol
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if worse else 0
        estimator.best_loss_ = min(estimator.best_loss_, loss)
    if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
        rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
        estimator.model_.optimizer.learning_rate = rate
    return estimator._no_improvement_count > estimator.n_iter_no_change and _stop(estimator, early_stopping)


def _note_score(estimator, score, early_stopping):
    estimator.validation_scores_.append(score)
    if estimator.verbose:
        print(f"Validation score: {score:f}")
    if early_stopping:
        worse = score < estimator.best_validation_score_ + estimator.tol
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if worse else 0
    if score > estimator.best_validation_score_:
        estimator.best_validation_score_ = score
        if early_stopping:
            estimator._best_weights = estimator.model_.get_weights()


def _stop(estimator, early_stopping):
    """Whether an estimator that improves no more stops; else its learning rate is a fifth of what it was."""
    optimizer = estimator.model_.optimizer
    adaptive = estimator.solver == "sgd" and estimator.learning_rate == "adaptive"
    if adaptive and optimizer.learning_rate > 1e-6:
        optimizer.learning_rate /= 5
        estimator._no_improvement_count = 0
        then = f"the learning rate is now {optimizer.learning_rate:g}"
    else:
        then = "training ends" + (", as the learning rate is too small" if adaptive else "")
    if estimator.verbose:
        what = "The validation score" if early_stopping else "The training loss"
        print(f"{what} did not improve by more than tol={estimator.tol:g} in {estimator.n_iter_no_change} iterations: "
              f"{then}")  # fmt: skip
    return then.startswith("training ends")
