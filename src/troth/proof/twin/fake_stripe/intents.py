"""Payments: made, confirmed by a card, by a person where the bank asks, canceled."""

from typing import Final

from troth.proof.twin.fake_stripe import balance, disputes
from troth.proof.twin.fake_stripe.cards import BY_TOKEN, NEEDS_PERSON, NOT_CONFIRMED
from troth.proof.twin.fake_stripe.params import Params
from troth.proof.twin.fake_stripe.records import Card, Charge, Intent, Notes, Payer
from troth.proof.twin.fake_stripe.refusals import Decline, declined, invalid, no_such
from troth.proof.twin.fake_stripe.shown import shown
from troth.proof.twin.fake_stripe.world import World

CENTS_MIN: Final = 50
CENTS_MAX: Final = 99_999_999
_CLOSED: Final = Decline("card_declined", "lost_card", "Your card was declined.")
_ENDED: Final = frozenset({"succeeded", "canceled"})


def make_payer(world: World, params: Params) -> Payer:
    """Make a customer."""
    email, name = params.text("email"), params.text("name")
    description, notes = params.text("description"), params.notes()
    params.end()
    return new_payer(world, email=email, name=name, description=description, notes=notes)


def new_payer(
    world: World, *, email: str = "", name: str = "", description: str = "", notes: Notes
) -> Payer:
    """Keep a customer and tell of it."""
    payer = Payer(world.new_id("cus"), world.now_s, email, name, description, notes)
    world.payers[payer.id] = payer
    world.tell("customer.created", payer)
    return payer


def payer_of(world: World, params: Params) -> str:
    """Return the customer that a request names, or nothing."""
    ref = params.text("customer")
    if ref and ref not in world.payers:
        raise no_such("customer", ref, "customer")
    return ref


def new_card(world: World, token: str) -> Card:
    """Return a fresh payment method of a test card."""
    card = Card(world.new_id("pm"), world.now_s, BY_TOKEN[token])
    world.cards[card.id] = card
    return card


def card_named(world: World, ref: str, param: str = "payment_method") -> Card:
    """Return a payment method by its id, or a fresh one of a test card's name."""
    if ref in BY_TOKEN:
        return new_card(world, ref)
    if ref not in world.cards:
        raise no_such("PaymentMethod", ref, param)
    return world.cards[ref]


def attach(world: World, ref: str, params: Params) -> Card:
    """Keep a card with a customer."""
    card = card_named(world, ref, "")
    payer = params.needed("customer")
    if payer not in world.payers:
        raise no_such("customer", payer, "customer")
    if card.payer and card.payer != payer:
        raise invalid("The payment method is already attached to another customer.")
    card.payer = payer
    world.tell("payment_method.attached", card)
    return card


def detach(world: World, ref: str) -> Card:
    """Let go of a card."""
    card = card_named(world, ref, "")
    if not card.payer:
        raise invalid("The payment method is not attached to a customer.")
    card.payer = ""
    card.is_closed = True
    world.tell("payment_method.detached", card)
    return card


def check_cents(cents: int, param: str) -> None:
    """Refuse an amount that Stripe does not take."""
    if cents < CENTS_MIN:
        message = "The Checkout Session's total amount must convert to at least 50 cents."
        raise invalid(message, param, "amount_too_small")
    if cents > CENTS_MAX:
        raise invalid("Amount must be no more than $999,999.99", param, "amount_too_large")


def make_intent(world: World, params: Params) -> Intent:
    """Make a payment, and confirm it where the request asks for it."""
    cents = params.whole("amount")
    check_cents(cents, "amount")
    if params.needed("currency") != "usd":
        raise invalid("The double knows usd only.", "currency")
    found = Intent(
        id=world.new_id("pi"),
        created=world.now_s,
        cents=cents,
        currency="usd",
        payer=payer_of(world, params),
        notes=params.notes(),
        description=params.text("description"),
        saves_card=bool(params.one_of("setup_future_usage", "off_session", "on_session")),
    )
    params.texts("payment_method_types")
    automatic = params.table("automatic_payment_methods")
    automatic.flag("enabled")
    automatic.one_of("allow_redirects", "always", "never")
    wanted = params.text("payment_method")
    is_away, is_confirmed = params.flag("off_session"), params.flag("confirm")
    params.end()
    if is_away and not is_confirmed:
        raise invalid("You can only set `off_session` with `confirm`.", "off_session")
    card = card_named(world, wanted) if wanted else None
    if is_confirmed and card is None:
        raise invalid("You cannot confirm this PaymentIntent without a payment method.")
    if card is not None and is_away and card.payer != found.payer:
        raise invalid("The payment method is not attached to this customer.", "payment_method")
    world.intents[found.id] = found
    world.tell("payment_intent.created", found)
    if card is not None:
        found.card = card.id
        found.status = "requires_confirmation"
        if is_confirmed:
            confirm(world, found, card, is_away=is_away)
    return found


def confirm_named(world: World, found: Intent, params: Params) -> Intent:
    """Confirm a payment by a request of its own."""
    if found.status in _ENDED:
        code = "payment_intent_unexpected_state"
        raise invalid(f"This PaymentIntent has a status of {found.status}.", "", code)
    wanted = params.text("payment_method", found.card)
    is_away = params.flag("off_session")
    params.end()
    if not wanted:
        raise invalid("You cannot confirm this PaymentIntent without a payment method.")
    confirm(world, found, card_named(world, wanted), is_away=is_away)
    return found


def confirm(world: World, found: Intent, card: Card, *, is_away: bool) -> None:
    """Take the money, or ask for the person, or raise the decline."""
    failure = attempt(world, found, card, is_away=is_away)
    if failure is not None:
        raise declined(failure, found.charge, shown(found))


def attempt(world: World, found: Intent, card: Card, *, is_away: bool) -> Decline | None:
    """Try to take the money; return why not. Where a person is asked for, nothing is taken yet."""
    found.card = card.id
    kind = card.kind
    asks = kind.secure == "always" or (kind.secure == "first" and not card.is_set_up)
    if asks and not is_away:
        found.status = "requires_action"
        world.tell("payment_intent.requires_action", found)
        return None
    return _charge(world, found, card, NEEDS_PERSON if asks else _decline_of(card))


def authenticate(world: World, found: Intent, *, is_confirmed: bool) -> Decline | None:
    """Let the person answer its bank's question; return why nothing was taken."""
    card = world.cards[found.card]
    if not is_confirmed:
        _fail(world, found, NOT_CONFIRMED)
        return NOT_CONFIRMED
    card.is_set_up = True
    return _charge(world, found, card, _decline_of(card))


def cancel(world: World, found: Intent) -> Intent:
    """Cancel a payment that has not ended."""
    if found.status in _ENDED:
        code = "payment_intent_unexpected_state"
        raise invalid(f"This PaymentIntent has a status of {found.status}.", "", code)
    found.status = "canceled"
    found.canceled_at = world.now_s
    world.tell("payment_intent.canceled", found)
    return found


def _decline_of(card: Card) -> Decline | None:
    return _CLOSED if card.is_closed else card.kind.decline


def _fail(world: World, found: Intent, decline: Decline) -> None:
    found.status = "requires_payment_method"
    found.failure = decline
    world.tell("payment_intent.payment_failed", found)


def _charge(world: World, found: Intent, card: Card, decline: Decline | None) -> Decline | None:
    charge = Charge(
        id=world.new_id("ch"),
        created=world.now_s,
        intent=found.id,
        cents=found.cents,
        currency=found.currency,
        card=card.id,
        payer=found.payer,
        notes=found.notes,
        failure=decline,
    )
    world.charges[charge.id] = charge
    found.charge = charge.id
    if decline is not None:
        world.tell("charge.failed", charge)
        _fail(world, found, decline)
        return decline
    fee_cents = balance.fee_of(world, charge.cents)
    charge.movement = balance.move(
        world, ("charge", "charge"), charge.id, charge.cents, fee_cents=fee_cents
    ).id
    found.status = "succeeded"
    found.failure = None
    if found.saves_card and found.payer and not card.payer:
        card.payer = found.payer
        card.is_set_up = True
        world.tell("payment_method.attached", card)
    world.tell("charge.succeeded", charge)
    world.tell("payment_intent.succeeded", found)
    if card.kind.dispute:
        disputes.open_later(world, charge, card.kind.dispute, is_inquiry=card.kind.is_inquiry)
    return None
