"""The page to pay on: plain HTML, no script; a list of test cards in the place of a card's form."""

from html import escape
from typing import Final

from troth.proof.twin.fake_stripe.cards import CARDS, TestCard
from troth.proof.twin.fake_stripe.records import Session

_STYLE: Final = """
:root { --ink: #1a2233; --soft: #5b667a; --line: #d9dee8; --paper: #fff; --side: #f3f5f9;
  --deed: #3346d3; --deed-ink: #fff; --bad: #a4182b; --bad-paper: #fdecee; }
@media (prefers-color-scheme: dark) { :root { --ink: #eef1f7; --soft: #a3adbf; --line: #38415a;
  --paper: #161b28; --side: #1e2536; --deed: #8d9bff; --deed-ink: #10142a; --bad: #ffb3bd;
  --bad-paper: #41161d; } }
* { box-sizing: border-box; }
html { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 1fr 1fr; }
aside { background: var(--side); padding: 4rem 3rem; display: flex; justify-content: flex-end; }
main { padding: 4rem 3rem; }
.in { width: 100%; max-width: 26rem; }
.note { display: inline-block; margin: 0 0 2rem; padding: .2rem .6rem; border-radius: 1rem;
  border: 1px solid var(--line); color: var(--soft); font-size: .8125rem; }
h1 { margin: 0; font-size: 1rem; font-weight: 500; color: var(--soft); }
h2 { margin: 0 0 1rem; font-size: 1.125rem; }
.sum { margin: .25rem 0 2rem; font-size: 2.5rem; line-height: 1.2; font-weight: 650;
  font-variant-numeric: tabular-nums; }
dl { margin: 0; display: grid; grid-template-columns: 1fr auto; row-gap: .5rem; }
dt, dd { margin: 0; }
dd { text-align: right; font-variant-numeric: tabular-nums; }
.all { border-top: 1px solid var(--line); padding-top: .5rem; font-weight: 650; }
fieldset { margin: 0 0 1.5rem; padding: 0; border: 1px solid var(--line); border-radius: .5rem;
  overflow: hidden; }
legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
label { display: grid; grid-template-columns: auto 1fr auto; gap: .75rem; align-items: center;
  min-height: 2.75rem; padding: .35rem .9rem; border-top: 1px solid var(--line); cursor: pointer; }
label:first-of-type { border-top: 0; }
label:has(:checked) { background: var(--side); }
input { accent-color: var(--deed); width: 1.05rem; height: 1.05rem; margin: 0; }
.digits { color: var(--soft); font-size: .875rem; font-variant-numeric: tabular-nums; }
button { width: 100%; min-height: 2.9rem; border-radius: .5rem; border: 1px solid var(--line);
  background: transparent; color: inherit; font: inherit; font-weight: 600; cursor: pointer; }
button.first { background: var(--deed); border-color: var(--deed); color: var(--deed-ink);
  margin-bottom: .75rem; }
button:hover { filter: brightness(1.08); }
:focus-visible { outline: 3px solid var(--deed); outline-offset: 2px; }
a { color: var(--deed); }
.bad { margin: 0 0 1rem; padding: .7rem .9rem; border-radius: .5rem; color: var(--bad);
  background: var(--bad-paper); }
p.small { color: var(--soft); font-size: .875rem; }
@media (max-width: 52rem) { body { display: block; }
  aside { padding: 1.5rem 1.25rem; } main { padding: 1.5rem 1.25rem 2.5rem; }
  .in { max-width: 34rem; margin: 0 auto; } .note { margin-bottom: 1.25rem; }
  .sum { font-size: 2rem; margin-bottom: 1.25rem; } }
"""
HEADERS: Final = (
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("referrer-policy", "no-referrer"),
)


def dollars(cents: int) -> str:
    """Return an amount as people read it."""
    return f"${cents // 100:,}.{cents % 100:02d}"


def pay_page(session: Session, problem: str = "") -> str:
    """Return the page where a card is chosen; `problem` tells why the last one did not pay."""
    told = f'<p class="bad" role="alert">{escape(problem)}</p>' if problem else ""
    cards = "".join(_card(card, is_first=not at) for at, card in enumerate(CARDS))
    return _whole(
        session,
        f"{told}<h2>Pay by card</h2>"
        f'<form method="post"><fieldset><legend>Test card</legend>{cards}</fieldset>'
        f'<button class="first" name="deed" value="pay">Pay {dollars(session.cents)}</button>'
        '<button name="deed" value="leave">Leave without paying</button></form>'
        '<p class="small">The cards behave as their names say. Nobody types a number here.</p>',
    )


def secure_page(session: Session) -> str:
    """Return the page where the card's bank asks for its person."""
    return _whole(
        session,
        "<h2>Your bank asks: is it you?</h2>"
        f"<p>A payment of {dollars(session.cents)} waits for your word (3-D Secure).</p>"
        '<form method="post"><button class="first" name="deed" value="confirm">It is me: pay'
        '</button><button name="deed" value="refuse">It is not me</button></form>',
    )


def end_page(session: Session, back: str) -> str:
    """Return the page of a session that is over; `back` leads to the merchant, if anywhere."""
    is_paid = session.is_paid
    title = "Paid" if is_paid else "This page has ended"
    words = (
        "Nothing more is to be done." if is_paid else "Nothing was paid. Go back to begin again."
    )
    link = f'<p><a href="{escape(back)}">Back</a></p>' if back else ""
    return _whole(
        session, f"<h2>{title}</h2><p>{words}</p>{link}", "Paid" if is_paid else "Not paid"
    )


def no_page() -> str:
    """Return the page in the place of one that does not exist."""
    words = "<p>Ask for a new one where you came from.</p>"
    return _framed("No such page", "<h1>Nothing to pay here</h1>", f"<h2>No such page</h2>{words}")


def back_page() -> str:
    """Return a page to come back to, for a merchant without pages."""
    aside = "<h1>Back at the merchant's</h1>"
    return _framed("Back", aside, "<h2>You may close this page</h2>")


def _card(card: TestCard, *, is_first: bool) -> str:
    checked = " checked" if is_first else ""
    brand = card.brand.capitalize()
    return (
        f'<label><input type="radio" name="card" value="{escape(card.token)}"{checked}>'
        f'<span>{escape(card.title)}</span><span class="digits">{brand} ···· {card.last4}</span>'
        "</label>"
    )


def _whole(session: Session, inside: str, deed: str = "To pay") -> str:
    lines = "".join(
        f"<dt>{escape(line.name)}</dt><dd>{dollars(line.unit_cents * line.count)}</dd>"
        for line in session.lines
    )
    if session.has_tax:
        lines += f"<dt>Tax</dt><dd>{dollars(session.tax_cents)}</dd>"
    total = dollars(session.cents)
    aside = (
        f'<h1>{deed}</h1><p class="sum">{total}</p><dl>{lines}'
        f'<dt class="all">In all</dt><dd class="all">{total}</dd></dl>'
    )
    return _framed(f"{deed} {total}", aside, inside)


def _framed(title: str, aside: str, inside: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f'<aside><div class="in"><p class="note">A double of Stripe: no money moves</p>{aside}'
        f'</div></aside><main><div class="in">{inside}</div></main></body></html>'
    )
