"""Errors that end an answer which has begun: its provider fell silent, or nothing pays for more.

Leaves of the tree in `kernel.errors`. The wallet's own end is `CreditsEnded`, a provider's that
broke off `UpstreamCut`.
"""

from troth.kernel.errors import UpstreamFailed, UpstreamTimeout


class UpstreamStalled(UpstreamTimeout):
    """The provider fell silent, or took too long, in an answer that had begun."""

    sentence = (
        "The model's provider took too long in the middle of this answer. What was delivered is "
        "charged, nothing more."
    )


class ServiceEnded(UpstreamFailed):
    """We could not go on with an answer that its wallet may well have paid for."""

    code = "service_ended"
    sentence = "The service could not go on with this answer. What was delivered is charged."


class JournalFull(ServiceEnded):
    """There is no space to note what more of a running answer would cost."""

    code = "journal_full"
    sentence = (
        "The service has no space to write down what more of this answer would cost, so it ends "
        "here. The credit is not used up. What was delivered is charged, nothing more."
    )


class NotKept(ServiceEnded):
    """The answer is there, but not the certainty that its charge survives a power cut."""

    code = "not_kept"
    sentence = (
        "The service could not make sure that the charge for this answer survives a power cut. "
        "Look for the receipt of this request before you send it again."
    )


class MoneyUnreached(ServiceEnded):
    """The books could not be asked in time for what pays for more of a running answer."""

    code = "money_unreached"
    sentence = (
        "The service could not reach its books to set money aside for more of this answer, so it "
        "ends here. The credit is not used up. What was delivered is charged, nothing more."
    )
