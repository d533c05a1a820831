"""What `troth demo` shows: official clients, real tokens as they come, the receipt, the balance."""

import http.client
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which
from typing import Final, TypeVar
from urllib.parse import urlsplit

import anthropic
import click
import msgspec
import openai

from troth.cli.client import Client, read
from troth.cli.demo_topup import TopupStory, show_topup
from troth.kernel.clock import Clock
from troth.kernel.money import usd
from troth.server.settings import Settings
from troth.server.shown import ShownWallet

ORGANIZATION: Final = "first"
QUESTION: Final = "What does Troth keep?"
_TRIES: Final = 100
_PAUSE_SECONDS: Final = 0.05
_OK: Final = 200
_NS: Final = 1e9

Shape = TypeVar("Shape")


class Story(msgspec.Struct, frozen=True):
    """Where everything is: addresses, the key, the models of chat and of embeddings."""

    api: str
    control: str
    key: str
    models: tuple[str, str]
    settings: Settings


class Counted(msgspec.Struct, frozen=True):
    """What a receipt says was used; it leaves out what was not."""

    input: int = 0
    cache_read: int = 0
    output: int = 0


class Price(msgspec.Struct, frozen=True):
    """One line of a receipt's price list."""

    unit: str
    usd: str
    per: int


class Receipt(msgspec.Struct, frozen=True):
    """What the demo shows of a receipt; money in nano-USD."""

    id: str
    model_served: str
    provider: str
    upstream: str
    quantities: Counted
    unit_prices: tuple[Price, ...]
    reserved_nusd: int
    charged_nusd: int
    first_byte_ms: int
    latency_ms: int


def tell(story: Story, clock: Clock, began_ns: int) -> None:
    """Ask in both dialects, embed something, show what it cost, and top up."""
    click.echo(f"Troth serves on {story.api}, a llama.cpp server and real embeddings behind it.\n")
    with openai.OpenAI(base_url=f"{story.api}/v1", api_key=story.key) as client:
        request = _chat(client, story, clock, began_ns)
        _embed(client, story)
    with anthropic.Anthropic(base_url=story.api, api_key=story.key) as claude:
        _message(claude, story)
    _show_receipt(_receipt(story, request))
    management = Client(story.settings.run_folder / "control.sock")
    hook = f"{story.control}/hooks/stripe"
    company = story.settings.payments.api_base
    show_topup(TopupStory(management, company, hook, ORGANIZATION), clock)
    _show_books(management, story)


def _chat(client: openai.OpenAI, story: Story, clock: Clock, began_ns: int) -> str:
    """Stream an answer by the OpenAI client; return the request's id."""
    click.echo(f"openai     > {QUESTION}\n           < ", nl=False)
    stream = client.chat.completions.create(
        model=story.models[0],
        messages=[{"role": "user", "content": QUESTION}],
        max_completion_tokens=60,
        stream=True,
        stream_options={"include_usage": True},
    )
    first_ns = 0
    for chunk in stream:
        text = chunk.choices[0].delta.content if chunk.choices else ""
        if text and not first_ns:
            first_ns = clock.monotonic_ns()
        click.echo(text or "", nl=False)
    seconds = (first_ns - began_ns) / _NS
    click.echo(f"\n             (the first token came {seconds:.1f} s after this command began)\n")
    return stream.response.headers["x-request-id"]


def _message(client: anthropic.Anthropic, story: Story) -> None:
    click.echo(f"anthropic  > {QUESTION}\n           < ", nl=False)
    with client.messages.stream(
        model=story.models[0], max_tokens=60, messages=[{"role": "user", "content": QUESTION}]
    ) as stream:
        for text in stream.text_stream:
            click.echo(text, nl=False)
        usage = stream.get_final_message().usage
    click.echo(f"\n             ({usage.output_tokens} tokens)\n")


def _embed(client: openai.OpenAI, story: Story) -> None:
    texts = ["a cat sleeps in the sun", "a kitten naps outside", "the tax law of 1912"]
    rows = client.embeddings.create(model=story.models[1], input=texts).data
    near, far = (sum(map(float.__mul__, rows[0].embedding, rows[at].embedding)) for at in (1, 2))
    click.echo(f"embeddings > '{texts[0]}' is to '{texts[1]}' as {near:.3f},")
    click.echo(f"             to '{texts[2]}' as {far:.3f}\n")


def _receipt(story: Story, request: str) -> Receipt:
    """Read a receipt with the key that made the request, once it is posted."""
    for _ in range(_TRIES):
        with _api(story) as connection:
            headers = {"authorization": f"Bearer {story.key}"}
            connection.request("GET", f"/v1/receipts/{request}", headers=headers)
            response = connection.getresponse()
            body = response.read()
        if response.status == _OK:
            return msgspec.json.decode(body, type=Receipt)
        time.sleep(_PAUSE_SECONDS)
    raise click.ClickException("the receipt was not posted within five seconds")


@contextmanager
def _api(story: Story) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(story.api)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def _show_receipt(receipt: Receipt) -> None:
    used = receipt.quantities
    prices = ", ".join(
        f"{price.unit} {price.usd} USD/{price.per:,}" for price in receipt.unit_prices
    )
    _table(
        f"Receipt {receipt.id}",
        ("model", f"{receipt.model_served} at {receipt.upstream} ({receipt.provider})"),
        ("tokens", f"{used.input} in, {used.cache_read} from the cache, {used.output} out"),
        ("prices", prices),
        ("set aside", f"{usd(receipt.reserved_nusd)} USD"),
        ("charged", f"{usd(receipt.charged_nusd)} USD"),
        ("time", f"first byte {receipt.first_byte_ms} ms, all {receipt.latency_ms} ms"),
    )


def _show_books(management: Client, story: Story) -> None:
    wallet = read(management.get("organizations", ORGANIZATION, "wallet"), ShownWallet)
    config = story.settings.folder / "troth.toml"
    troth = "troth" if which("troth") else sys.argv[0]
    _table(
        "Wallet",
        ("balance", f"{wallet.posted_usd} USD"),
        ("command", f"{troth} wallet show {ORGANIZATION} --config {config}"),
        ("top-up", f"{troth} wallet topup {ORGANIZATION} 25 --config {config}"),
    )
    _table(
        "Addresses",
        ("OpenAI", f"{story.api}/v1"),
        ("Anthropic", story.api),
        ("metrics", f"{story.control}/metrics"),
        ("key", story.key),
        ("folder", f"{story.settings.folder}  (search it: no prompt, no answer is there)"),
    )
    click.echo(
        "Try it:\n\n"
        f"  curl -N {story.api}/v1/chat/completions \\\n"
        f"    -H 'Authorization: Bearer {story.key}' \\\n"
        "    -H 'Content-Type: application/json' \\\n"
        f'    -d \'{{"model": "{story.models[0]}", "stream": true, '
        f'"messages": [{{"role": "user", "content": "{QUESTION}"}}]}}\'\n'
    )


def _table(title: str, *lines: tuple[str, str]) -> None:
    click.echo(title)
    for name, value in lines:
        click.echo(f"  {name:<10} {value}")
    click.echo()
