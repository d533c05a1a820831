"""A double of Stripe: its API as far as Troth uses it, a page to pay on, webhooks that go astray.

company   FakeStripe: one object without sockets; `call` is a request, `deliver` posts webhooks
server    the same over HTTP: `python -m troth.proof.twin.fake_stripe.server`
terms     what can be set: fees, delays, taxes, which faults and how often
cards     the test cards: paid, declined, 3-D Secure, disputed later, refund fails
books     what it thinks each payment came to, for a comparison to the cent

Everything follows from a seed and a clock that is handed in. Nothing is kept but in memory.
"""
