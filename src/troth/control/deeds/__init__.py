"""What a caller asked for under a name of its own: asked again, it is not done again."""

from troth.control.deeds.credits import refuse_other_credit
from troth.control.deeds.once import KEPT_MS, NEVER, Once, claim, forget, known, note

__all__ = ["KEPT_MS", "NEVER", "Once", "claim", "forget", "known", "note", "refuse_other_credit"]
