"""Errors about room to write: leaves of the tree in `kernel.errors`."""

from troth.kernel.errors import Overloaded


class NoSpace(Overloaded):
    """The journal has no space to note what a request may cost."""

    sentence = (
        "The service has no space to write down what this request would cost, so it was not sent "
        "to the model's provider and nothing was charged. Send it again in a few seconds."
    )
