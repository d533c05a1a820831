"""What a model's name makes the mock provider do. Faults are joined by `+`: `torn-3+nousage`.

err-STATUS        that status in the dialect's envelope; `after-N` beside it: retry-after N
leak-STATUS       the same, its message quoting the request's body and our credential
fail-N            N answers 503 with retry-after 0, then a good one, then from the start
no-such           404 model_not_found;   ctx  400 context_length_exceeded
slow-MS           a pause before the answer's head;   drip-MS  one before each event
reset             the connection is reset before a byte;   hang  no byte for 100 s
cut-N             it dies after N events, or in the middle of a buffered body
stop-N            a clean end of the body after N events: no finish reason, no last event
undone            a whole stream that lacks only its last event (`[DONE]`, `message_stop`)
overload-N        an error event after N events (`overload-mid`: after four)
nousage, usage-negative, usage-absurd, usage-text, usage-float   wrong accounts
cached-N, wrote-N, reason-N    of the tokens counted, N were cached, cache writes, reasoning
words-N, fill     answers of N words; of as many as `max_tokens` allows
echo              answers with the caller's last text
garbage           200 with a page of HTML;   nochoice  200 without a choice;   null  200 `null`
wrongtype         a good body called text/plain;   short  a content-length beyond the body
huge-KB           an answer of that size;   bigevent-KB  one event of that size
gzip, bomb-MB     a compressed answer;   one that unpacks to that size
endless           an answer that never ends;   headers-KB  headers of that size
redirect          302 to another path of this server
torn-SEED         a stream in pieces of one to seven bytes, each sent on its own
joined            a stream in one piece;   bare  fields that small servers leave out are out
badjson           tool arguments that are no JSON
"""

from collections.abc import Mapping

_UNSAID = {
    "slow": 1_000,
    "drip": 200,
    "cut": 4,
    "stop": 4,
    "overload": 4,
    "huge": 500,
    "bigevent": 5_000,
    "bomb": 64,
    "headers": 80,
    "after": 1,
    "words": 8,
    "hang": 100_000,
}


def faults_of(model: str) -> Mapping[str, int]:
    """Return what the model's name asks for: fault to number, 0 where none belongs to it."""
    found: dict[str, int] = {}
    for part in model.split("+"):
        name, _, number = part.rpartition("-")
        if name and number.isdecimal():
            found[name] = int(number)
        else:
            plain = part.removesuffix("-mid")
            found[plain] = _UNSAID.get(plain, 0)
    return found
