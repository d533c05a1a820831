"""A key as an operator issues it."""

from troth.control import keys
from troth.control.accounts import Organization
from troth.control.audit import Actor
from troth.control.keys import Issued, Terms
from troth.server.office import Office


def issued(office: Office, actor: Actor, owner: Organization, terms: Terms) -> Issued:
    """Issue a key to an organization; its text is shown this once."""
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        return keys.issue(tx, actor, minted, (owner, terms))
