import msgspec
import pytest

from troth.gateway.ports import KeyRow
from troth.ledger.shard.messages import Ack, LeaseAsk
from troth.server.messages import (
    BUILD,
    MAX_FRAME_BYTES,
    Beat,
    BrokenLink,
    DownReader,
    Found,
    Hello,
    KeyAnswer,
    ReadAnswer,
    Up,
    UpReader,
    frame,
    opened,
    row,
)

KEY = KeyRow(
    public_id="id",
    ref="key",
    org="org",
    project="",
    purses=(b"w" * 17,),
    models=frozenset({"m"}),
    networks=(),
    expires_at_ms=0,
    requests_per_minute=1,
    tokens_per_minute=2,
    concurrency=3,
    may_read_wallet=True,
    rate_slot=4,
)


def test_messages_arrive_whole_however_they_are_cut() -> None:
    sent: list[Up] = [Hello(BUILD, 1, b""), LeaseAsk(1, b"w" * 17, 0, 0, 5, 5, 5, 0)]
    data = b"".join(frame(one) for one in sent)
    for size in (1, 3, 7, len(data)):
        ear = UpReader()
        got = [one for at in range(0, len(data), size) for one in ear.feed(data[at : at + size])]
        assert got == sent


def test_what_goes_down_is_not_taken_up() -> None:
    with pytest.raises(BrokenLink):
        UpReader().feed(frame(Beat(1)))
    assert DownReader().feed(frame(Beat(1)) + frame(Ack(b"s", 2))) == [Beat(1), Ack(b"s", 2)]


@pytest.mark.parametrize(
    "content",
    [["Unknown", 1], ["KeyAnswer", "one", True, False], ["KeyAnswer"], {"KeyAnswer": 1}],
)
def test_what_is_no_message_ends_the_link(content: list[str | int] | dict[str, int]) -> None:
    body = msgspec.msgpack.encode(content)
    with pytest.raises(BrokenLink):
        DownReader().feed(len(body).to_bytes(4, "big") + body)


def test_a_frame_has_a_limit_on_both_ways() -> None:
    with pytest.raises(BrokenLink):
        frame(ReadAnswer(1, Found.FOUND, bytes(MAX_FRAME_BYTES)))
    with pytest.raises(BrokenLink):
        DownReader().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))


def test_a_key_stays_encoded_until_it_is_wanted() -> None:
    packed = row(KEY)
    assert packed.public_id == "id"
    assert opened(packed.row) == KEY


def test_the_build_is_a_digest() -> None:
    assert len(BUILD) == 64
    assert KeyAnswer(1, is_valid=True) != KeyAnswer(1, is_valid=False)
