"""Payments: credit bought, given back and disputed, and the proof that no cent is missing."""
