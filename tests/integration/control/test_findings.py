"""What `troth doctor` finds when something is wrong: cause and fix of each."""

import socket
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from troth.cli.findings import findings, readiness
from troth.kernel.clock import SystemClock
from troth.kernel.secret import Secret
from troth.proof.twin.fake_stripe.server import running
from troth.proof.twin.fake_stripe.terms import Terms
from troth.server.payment_settings import PaymentSettings
from troth.server.settings import (
    DataSettings,
    LimitSettings,
    ProviderSettings,
    ServerSettings,
    Settings,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir(mode=0o700)
    return Settings(
        server=ServerSettings(bind="127.0.0.1:0", control_bind="127.0.0.1:0", erase_on_free=False),
        data=DataSettings(str(tmp_path / "data")),
        providers={"simulated": ProviderSettings(kind="simulated")},
    )


def found(settings: Settings) -> str:
    return "\n".join(f"{each.what}: {each.cause}: {each.fix}" for each in findings(settings))


def test_a_sound_installation_has_none(settings: Settings) -> None:
    assert findings(settings) == []


def test_a_folder_that_is_not_there_yet_is_no_finding(settings: Settings, tmp_path: Path) -> None:
    fresh = DataSettings(str(tmp_path / "not" / "yet"))
    assert findings(msgspec.structs.replace(settings, data=fresh)) == []


def test_a_taken_port_is_named(settings: Settings) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        server = msgspec.structs.replace(settings.server, bind=bind)
        said = found(msgspec.structs.replace(settings, server=server))
    assert f"cannot listen on {bind}: address already in use: stop what uses it" in said


def test_too_few_descriptors_are_named(settings: Settings) -> None:
    many = msgspec.structs.replace(settings, limits=LimitSettings(connections=2**40))
    assert "too few descriptors: a gateway may open" in found(many)


def test_a_certificate_that_cannot_be_read_is_named(settings: Settings, tmp_path: Path) -> None:
    key = tmp_path / "tls.key"
    key.write_text("key", "ascii")
    key.chmod(0o644)
    server = msgspec.structs.replace(
        settings.server, tls_certificate=str(tmp_path / "none"), tls_key=str(key)
    )
    said = found(msgspec.structs.replace(settings, server=server))
    assert "none cannot be read" in said
    assert f"chmod o-rwx {key}" in said


def test_a_provider_without_a_key_is_named(settings: Settings) -> None:
    providers = {**settings.providers, "groq": ProviderSettings(kind="groq")}
    said = found(msgspec.structs.replace(settings, providers=providers))
    assert "Provider 'groq' has no key" in said
    assert "GROQ_API_KEY" in said


def test_a_folder_that_others_can_enter_is_named(settings: Settings) -> None:
    settings.folder.chmod(0o750)
    assert f"chmod 700 {settings.folder}" in found(settings)


def test_a_journal_that_was_set_aside_is_named(settings: Settings) -> None:
    slot = settings.folder / "journal" / "0"
    slot.mkdir(parents=True)
    (slot / "a-000001.journal").touch()
    assert findings(settings) == []
    (slot / "b-000001.aside").touch()
    assert f"{slot / 'b-000001.aside'} was set aside: it is damaged, of another" in found(settings)


def test_memory_that_is_not_erased_would_be_named(settings: Settings) -> None:
    server = msgspec.structs.replace(settings.server, erase_on_free=True)
    assert findings(msgspec.structs.replace(settings, server=server)) == []


def test_nothing_ready_is_a_finding(settings: Settings) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
        server = msgspec.structs.replace(settings.server, control_bind=bind)
        (finding,) = readiness(msgspec.structs.replace(settings, server=server))
    assert finding.what == "not ready"
    assert bind in finding.cause


def paying(settings: Settings, address: str, key: str) -> Settings:
    payments = PaymentSettings(
        kind="stripe", api_key=Secret(key), api_base=address, return_url=f"{address}/back"
    )
    return msgspec.structs.replace(settings, payments=payments)


def test_what_is_wrong_with_payments_is_found(settings: Settings) -> None:
    with running(Terms(), SystemClock()) as (address, _):
        whole = paying(settings, address, "sk_test_1")
        assert found(whole).startswith("There is no webhook secret, so credit comes when we ask")
        payments = msgspec.structs.replace(whole.payments, webhook_secret=Secret("whsec_1"))
        assert findings(msgspec.structs.replace(whole, payments=payments)) == []
        refused = found(paying(settings, address, "sk_live_1"))
        assert "the payment company refuses us: the key is wrong, revoked" in refused
    assert "the payment company does not answer" in found(whole)
