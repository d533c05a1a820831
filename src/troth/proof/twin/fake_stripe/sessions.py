"""Checkout: a page is made, paid, declined, left, or ends by itself."""

from typing import Final
from urllib.parse import urlsplit

from troth.proof.twin.fake_stripe import intents
from troth.proof.twin.fake_stripe.params import Params
from troth.proof.twin.fake_stripe.records import Intent, Line, Session
from troth.proof.twin.fake_stripe.refusals import Decline, invalid
from troth.proof.twin.fake_stripe.world import World

_WHOLE: Final = 10_000
_SHORTEST_S: Final = 1_800
_LONGEST_S: Final = 86_400
_REFERENCE_MAX: Final = 200
_PLACE: Final = "{CHECKOUT_SESSION_ID}"


def make_session(world: World, params: Params) -> Session:
    """Make a page to pay on."""
    if params.needed("mode") != "payment":
        raise invalid("The double knows mode=payment only.", "mode")
    lines = tuple(_line(each) for each in params.items("line_items"))
    if not lines:
        message = "You must pass line_items."
        raise invalid(message, "line_items", "parameter_missing")
    has_tax = params.table("automatic_tax").flag("enabled")
    payment = params.table("payment_intent_data")
    ref = world.new_id("cs_test")
    session = Session(
        id=ref,
        created=world.now_s,
        expires_at=_expires_at(world, params),
        currency="usd",
        lines=lines,
        tax_cents=0,
        success_url=_page(params, "success_url"),
        cancel_url=_page(params, "cancel_url"),
        url=f"{world.base_url}/pay/{ref}",
        reference=params.text("client_reference_id"),
        payer=intents.payer_of(world, params),
        makes_payer=params.one_of("customer_creation", "always", "if_required") == "always",
        email=params.text("customer_email"),
        notes=params.notes(),
        intent_notes=payment.notes(),
        description=payment.text("description"),
        saves_card=payment.one_of("setup_future_usage", "off_session", "on_session") != "",
        has_tax=has_tax,
    )
    _read_rest(params)
    params.end()
    _check(session)
    if has_tax:
        rate = world.terms.tax_permyriad
        session.tax_cents = (session.net_cents * rate * 2 + _WHOLE) // (2 * _WHOLE)
    world.sessions[ref] = session
    world.later(session.expires_at - world.now_s, lambda: _run_out(world, session))
    return session


def pay(world: World, session: Session, token: str) -> Decline | None:
    """Pay by a test card; return why not. A card that asks for its person leaves it waiting."""
    payer = session.payer
    if not payer and (session.makes_payer or session.saves_card):
        payer = intents.new_payer(world, email=session.email, notes={}).id
        session.payer = payer
    intent = world.intents.get(session.intent)
    if intent is None:
        intent = Intent(
            id=world.new_id("pi"),
            created=world.now_s,
            cents=session.cents,
            currency=session.currency,
            payer=payer,
            notes=dict(session.intent_notes),
            description=session.description,
            saves_card=session.saves_card,
            session=session.id,
            tax_cents=session.tax_cents,
        )
        world.intents[intent.id] = intent
        session.intent = intent.id
        world.tell("payment_intent.created", intent)
    failure = intents.attempt(world, intent, intents.new_card(world, token), is_away=False)
    _complete(world, session, intent)
    return failure


def authenticate(world: World, session: Session, *, is_confirmed: bool) -> Decline | None:
    """Let the person answer its bank; return why nothing was taken."""
    intent = world.intents[session.intent]
    failure = intents.authenticate(world, intent, is_confirmed=is_confirmed)
    _complete(world, session, intent)
    return failure


def expire(world: World, session: Session) -> Session:
    """End a page that nobody paid on."""
    if session.status != "open":
        message = f'Only Checkout Sessions with a status in ["open"] can be expired: {session.id}'
        raise invalid(message)
    _run_out(world, session)
    return session


def success_url(session: Session) -> str:
    """Return where a payer goes after it paid."""
    return session.success_url.replace(_PLACE, session.id)


def _complete(world: World, session: Session, intent: Intent) -> None:
    if intent.status == "succeeded" and session.status == "open":
        session.status = "complete"
        session.is_paid = True
        world.tell("checkout.session.completed", session)


def _run_out(world: World, session: Session) -> None:
    if session.status != "open":
        return
    session.status = "expired"
    world.tell("checkout.session.expired", session)
    intent = world.intents.get(session.intent)
    if intent is not None:
        intents.cancel(world, intent)


def _line(params: Params) -> Line:
    price = params.table("price_data")
    product = price.table("product_data")
    name = product.needed("name")
    product.text("description")
    product.text("tax_code")
    if price.needed("currency") != "usd":
        raise invalid("The double knows usd only.", price.path("currency"))
    price.one_of("tax_behavior", "exclusive", "unspecified")
    cents, count = price.whole("unit_amount"), params.whole("quantity", 1)
    if cents < 1 or count < 1:
        raise invalid("Invalid positive integer", price.path("unit_amount"))
    return Line(name, cents, count)


def _page(params: Params, name: str) -> str:
    url = params.needed(name) if name == "success_url" else params.text(name)
    if url and urlsplit(url).scheme not in {"http", "https"}:
        raise invalid("Not a valid URL", name, "url_invalid")
    return url


def _expires_at(world: World, params: Params) -> int:
    at = params.whole("expires_at", world.now_s + world.terms.session_lasts_s)
    if params.has("expires_at") and not _SHORTEST_S <= at - world.now_s <= _LONGEST_S:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
        raise invalid(message, "expires_at")
    return at


def _read_rest(params: Params) -> None:
    """Take what the double knows and does nothing with."""
    params.texts("payment_method_types")
    params.text("locale")
    params.one_of("ui_mode", "hosted_page", "hosted")
    params.one_of("submit_type", "auto", "pay")
    params.one_of("billing_address_collection", "auto", "required")
    params.table("tax_id_collection").flag("enabled")
    update = params.table("customer_update")
    for name in ("address", "name"):
        update.one_of(name, "auto", "never")


def _check(session: Session) -> None:
    intents.check_cents(session.cents, "line_items")
    if len(session.reference) > _REFERENCE_MAX:
        raise invalid("Invalid string: too long", "client_reference_id")
    if session.payer and session.email:
        raise invalid("You may only specify one of these parameters: customer, customer_email.")
    if session.payer and session.makes_payer:
        raise invalid("`customer_creation` can't be used with `customer`.", "customer_creation")
