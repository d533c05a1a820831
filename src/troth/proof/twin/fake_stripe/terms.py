"""What can be set of the double: who is told, what things cost and how long they take, faults."""

import msgspec


class WebhookFaults(msgspec.Struct, frozen=True):
    """How webhooks go astray, each in so many of a thousand events; the seed says which.

    Delayed and doubled ones come up to `delay_ms_max` later, so others overtake them.
    """

    dropped_permille: int = 0
    doubled_permille: int = 0
    copies_max: int = 3
    delayed_permille: int = 0
    delay_ms_max: int = 60_000
    forged_permille: int = 0


class ApiFaults(msgspec.Struct, frozen=True):
    """How calls fail, in so many of a thousand: nothing done, done but never answered, a 500."""

    deaf_permille: int = 0
    lost_permille: int = 0
    broken_permille: int = 0


class Terms(msgspec.Struct, frozen=True):
    """The contract with the double. Amounts in cents, rates in hundredths of a percent.

    `slow_refunds_permille` of all refunds wait before they succeed, `failed_refunds_permille` fail
    after they were there; test cards do so every time.
    """

    seed: str = "troth"
    webhook_url: str = ""
    webhook_secrets: tuple[str, ...] = ("whsec_of_the_double",)
    webhook_faults: WebhookFaults = WebhookFaults()
    api_faults: ApiFaults = ApiFaults()
    fee_permyriad: int = 290
    fee_cents: int = 30
    dispute_fee_cents: int = 1_500
    tax_permyriad: int = 0
    dispute_after_s: int = 3_600
    dispute_lasts_s: int = 7 * 86_400
    refund_after_s: int = 60
    slow_refunds_permille: int = 0
    failed_refunds_permille: int = 0
    session_lasts_s: int = 86_400
    available_after_s: int = 2 * 86_400
    payout_every_s: int = 86_400
    payout_takes_s: int = 86_400
