"""The one family of errors that a user can cause, or a model can: each says what, the evidence, the way out.

The command line prints them without a traceback and exits 2. Anything else is a bug and shows its traceback.
"""

from typing import Final


class LatentGuardError(Exception):
    """Base of every named error of this package."""


class ModelNotSupported(LatentGuardError):
    """This model, or this part of it, could not be proved; nothing of it is read."""


class ModelNotFound(LatentGuardError):
    """No such hub id, folder or file, or it could not be read as a chat model."""


class DeviceNotAvailable(LatentGuardError):
    """The device asked for is unknown, or this machine does not have it."""


class PositionNotProved(LatentGuardError):
    """A named position could not be shown to stand where its name says in this rendering."""


class TemplateError(LatentGuardError):
    """The model has no chat template, or its template refused these messages."""


class PromptTooLong(LatentGuardError):
    """The rendered prompt has more tokens than the model's context."""


class BadData(LatentGuardError):
    """A file or dataset of prompts cannot be used: where, and why."""


UNREADABLE: Final = (BadData, PositionNotProved, PromptTooLong, TemplateError)
"""What is raised of a prompt that cannot be read: not of the model, nor of other prompts."""


class EditMatchedNothing(LatentGuardError):
    """An edit's scope held no token of a whole run: what ran would have been the unedited model."""


class UnscopedRun(LatentGuardError):
    """The model was called outside this package's runs while edits were active."""


class RunNotFollowed(LatentGuardError):
    """A run that someone else makes does not carry the prompts that are watched, whole and in their order."""


class NonFiniteState(LatentGuardError):
    """A hidden state that was read is NaN or infinite."""


class TooFewPrompts(LatentGuardError):
    """A class or split holds too few prompts to fit or to measure anything."""


class UndefinedBelief(LatentGuardError):
    """A belief or cosine has no value: a zero or non-finite vector, or two equal centroids everywhere."""


class ArtefactMismatch(LatentGuardError):
    """An artefact was made on another model, template or tokenizer, or its file is damaged."""


class BadSettings(LatentGuardError):
    """A setting of the server is unknown, impossible, or contradicts another."""


class NotShared(LatentGuardError):
    """A guard was not pushed to the hub or not pulled from it: the hub said no, or a rule does."""
