"""What was on offer and at what price: each price set that was ever in force, kept for receipts."""

from troth.control.supply.prices import UnitPrice, in_set, remember

__all__ = ["UnitPrice", "in_set", "remember"]
