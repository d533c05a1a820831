"""What providers cost, in the books: posted once for each provider and day that is closed.

A day's cost is that of the requests begun on it. What is posted later, after a crash, is added at
the next close as an entry that names the first.
"""

from typing import Final

from troth.ledger import books
from troth.ledger.books import Kind, Transfer
from troth.store.transaction import Transaction

_DUE: Final = """
SELECT s.provider, s.day, CAST(sum(s.cost) AS bigint), coalesce(p.cost, 0), p.entry
FROM rollup_supply AS s
LEFT JOIN provider_day AS p ON p.provider = s.provider AND p.day = s.day
WHERE s.day <= ? GROUP BY s.provider, s.day, p.cost, p.entry
HAVING sum(s.cost) > coalesce(p.cost, 0)
ORDER BY s.day, s.provider"""


def post_costs(tx: Transaction, closed_day: int, desk: int, now_ms: int) -> int:
    """Post what providers cost up to a closed day and is not in the books; return the entries."""
    due = tx.rows(_DUE, (closed_day,), tuple[str, int, int, int, bytes | None])
    wanted = []
    for provider, day, cost, before, first in due:
        key = f"{provider} {day} {before}"
        wanted.append(Transfer(Kind.COST, key, cost - before, provider, first))
        if first is None:
            continue
        tx.execute(
            "UPDATE provider_day SET cost = ? WHERE provider = ? AND day = ?",
            (cost, provider, day),
        )
    made = books.transfer(tx, wanted, desk, now_ms)
    tx.insert(
        "INSERT INTO provider_day (provider, day, cost, entry) VALUES (?, ?, ?, ?)",
        [
            (provider, day, cost, books.movement_id(Kind.COST, each.key))
            for (provider, day, cost, _, first), each in zip(due, wanted, strict=True)
            if first is None
        ],
    )
    return made
