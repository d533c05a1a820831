"""Errors about payments: leaves of the tree in `kernel.errors`."""

from troth.kernel.errors import BadRequest, Unavailable


class BadSignature(BadRequest):
    """A webhook that was not sealed with our secret, or not lately."""

    code = "bad_signature"
    sentence = "The signature does not belong to this message."


class KeyReused(BadRequest):
    """A name that a caller gave to one deed came again with another."""

    code = "idempotency_key_reused"
    sentence = "This key was given to another request. Take a new one for each."


class PaymentsOff(BadRequest):
    """The operator has not set who takes payments."""

    code = "payments_off"
    sentence = "Nobody takes payments here. Set 'payments.kind' and its keys, then start again."


class PaymentsDown(Unavailable):
    """The payment company did not answer; whether anything moved is not known."""

    code = "payments_unavailable"
    sentence = "The payment company does not answer. Try again; what was paid is credited once."
