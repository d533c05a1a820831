"""What settings offer: upstreams at their companies' addresses, and what is left out and why."""

import msgspec
import pytest

from troth.catalog.load import ModelTable, PriceTable
from troth.kernel.errors import Misconfigured
from troth.kernel.secret import Secret
from troth.server.offer import offer_of, upstream
from troth.server.settings import ProviderSettings, Settings


def test_a_company_is_reached_at_its_own_address() -> None:
    found = upstream("fast", ProviderSettings(kind="groq"))
    assert (found.scheme, found.host, found.port) == ("https", "api.groq.com", 443)
    assert found.base_path == "/openai/v1"
    assert found.dialect == "openai"
    assert upstream("a", ProviderSettings(kind="anthropic")).dialect == "anthropic"


def test_a_server_of_ones_own_is_reached_where_it_is() -> None:
    found = upstream("house", ProviderSettings(kind="vllm", url="http://[::1]:8000/v1/"))
    assert (found.scheme, found.host, found.port, found.base_path) == ("http", "::1", 8000, "/v1")


@pytest.mark.parametrize(
    "url",
    ["ftp://a/v1", "http://", "a/v1", "http://u:p@a/v1", "http://a:99999/v1", "http://a/v1?k=v"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"providers\.house\.url"):
        upstream("house", ProviderSettings(kind="vllm", url=url))


def test_a_name_or_a_region_too_long_for_a_usage_record_is_refused() -> None:
    house = ProviderSettings(kind="vllm", url="http://127.0.0.1:8000/v1", region="r" * 32)
    assert upstream("h" * 32, house).id == "h" * 32
    with pytest.raises(Misconfigured, match="32 bytes at most"):
        upstream("h" * 33, house)
    with pytest.raises(Misconfigured, match="32 bytes at most"):
        upstream("h", msgspec.structs.replace(house, region="r" * 33))


def test_a_provider_without_a_key_is_no_route() -> None:
    offer = offer_of(Settings(providers={"groq": ProviderSettings(kind="groq")}))
    assert offer.catalog.offerings == {}
    assert "Provider 'groq' has no key" in offer.warnings[0]


def test_a_provider_with_a_key_offers_its_shipped_models() -> None:
    provider = ProviderSettings(kind="groq", api_key=Secret("k"))
    offer = offer_of(Settings(providers={"groq": provider}))
    assert offer.catalog.offerings
    assert offer.warnings == ()
    assert offer.credentials["groq"].reveal() == "k"
    bare = msgspec.structs.replace(provider, shipped_models=False)
    assert offer_of(Settings(providers={"groq": bare})).catalog.offerings == {}


def test_a_model_without_a_price_is_named() -> None:
    settings = Settings(
        providers={"simulated": ProviderSettings(kind="simulated")},
        models={
            "priced": ModelTable(provider="simulated", price=PriceTable(input="1")),
            "unpriced": ModelTable(provider="simulated"),
        },
    )
    offer = offer_of(settings)
    assert "priced" in offer.catalog.offerings
    assert any("Model 'unpriced' has no price" in warning for warning in offer.warnings)


def test_what_holds_for_prompts_follows_from_kind_or_contract() -> None:
    both = {"no_collection", "no_retention"}
    assert upstream("a", ProviderSettings(kind="openrouter")).data_terms == both
    assert upstream("a", ProviderSettings(kind="vllm", url="http://a/v1")).data_terms == both
    assert upstream("a", ProviderSettings(kind="groq")).data_terms == set()
    agreed = ProviderSettings(kind="groq", data_collection="deny")
    assert upstream("a", agreed).data_terms == {"no_collection"}
    loose = ProviderSettings(kind="openrouter", data_collection="allow", zdr=False)
    assert upstream("a", loose).data_terms == set()
