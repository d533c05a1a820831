"""Errors about receipts: a leaf of the tree in `kernel.errors`."""

from troth.kernel.errors import Missing


class ReceiptExpired(Missing):
    """The receipt's time is over, whether or not there ever was one with this id."""

    code = "receipt_expired"
    sentence = (
        "The time for which single receipts are kept is over for this id. Its charge is part of "
        "the statement of its month."
    )
