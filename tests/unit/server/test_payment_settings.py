"""Settings of payments: each fault with its place and its fix, and no secret in any of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from troth.kernel.errors import Misconfigured
from troth.server.assemble import installation
from troth.server.payment_settings import PaymentSettings, payment_terms, payment_warnings
from troth.server.settings import Flags, read

STRIPE = '[payments]\nkind = "stripe"\nreturn_url = "https://troth.example/"\n'
TEST_KEY = 'api_key = "sk_test_1"\n'


def given(folder: Path, text: str, variables: dict[str, str] | None = None) -> PaymentSettings:
    file = folder / "troth.toml"
    file.write_text(text, "utf-8")
    return read(Flags(config=str(file)), variables or {}).settings.payments


def test_nobody_takes_payments_by_default(tmp_path: Path) -> None:
    payments = given(tmp_path, "")
    assert not payments.is_on
    assert payment_terms(payments) is None
    assert payment_warnings(payments) == ()


def test_the_company_s_own_variables_come_last(tmp_path: Path) -> None:
    variables = {"STRIPE_API_KEY": "sk_test_2", "STRIPE_WEBHOOK_SECRET": "whsec_2"}
    terms = payment_terms(given(tmp_path, STRIPE + TEST_KEY, variables))
    assert terms is not None
    assert (terms.api_key, terms.webhook_secret) == ("sk_test_1", "whsec_2")
    assert (terms.topup_min_cents, terms.topup_max_cents) == (500, 100_000)


def test_secrets_can_lie_in_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk_test_3\n", "utf-8")
    text = STRIPE + 'api_key_file = "key"\ntopup_min_usd = "7.50"\n'
    terms = payment_terms(given(tmp_path, text))
    assert terms is not None
    assert (terms.api_key, terms.topup_min_cents) == ("sk_test_3", 750)


def test_what_works_less_well_is_told(tmp_path: Path) -> None:
    (warning,) = payment_warnings(given(tmp_path, STRIPE + TEST_KEY))
    assert warning.startswith("There is no webhook secret, so credit comes when we ask")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "'payments.return_url' is missing: name the page that a payer comes back to."),
        ('return_url = "http://example.com"\n', "must be an https address"),
        ('return_url = "/wallet"\n', "must be an https address"),
    ],
)
def test_a_payer_must_have_a_page_to_come_back_to(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        given(tmp_path, '[payments]\nkind = "stripe"\n' + TEST_KEY + line)
    assert said in caught.value.problem


def test_without_the_extra_the_next_step_is_told() -> None:
    probe = (
        "import sys; sys.modules['stripe'] = None\n"
        "from troth.kernel.errors import Misconfigured\n"
        "from troth.server.payment_company import open_payments\n"
        "from troth.server.payment_settings import PaymentTerms\n"
        "try:\n    open_payments(PaymentTerms('sk_test_1', '', '', 'usd', 1, 2, ''))\n"
        "except Misconfigured as wrong:\n    print(wrong.problem)\n"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout == "payments by Stripe need the extra: install troth[stripe]\n"


def test_where_nobody_pays_the_client_library_is_not_loaded() -> None:
    probe = (
        "import sys, troth.server.control_process, troth.server.local\n"
        "print('stripe' in sys.modules, 'requests' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout == "False False\n"


def test_the_control_process_is_handed_the_terms(tmp_path: Path) -> None:
    given(tmp_path, STRIPE + TEST_KEY + '[vat]\nengine = "none"\n[seller]\nname = "Acme"\n')
    settings = read(Flags(config=str(tmp_path / "troth.toml")), {}).settings
    planned = installation(settings)
    assert planned.payments is not None
    assert planned.payments.api_key == "sk_test_1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'payments.api_key' is missing: set the variable STRIPE_API_KEY, or a file."),
        ('api_key = "pk_test_SECRET"', "must be a secret or restricted key"),
        (TEST_KEY + 'webhook_secret = "SECRET"', "troth.toml:5: 'payments.webhook_secret' must be"),
        (TEST_KEY + 'api_base = "https://example.com"', "'payments.api_base' must be http on"),
        (TEST_KEY + 'api_base = "http://127.0.0.1:1/SECRET"', "must be http on this machine"),
        (
            'api_key = "sk_live_SECRET"\napi_base = "http://127.0.0.1:1"',
            "troth.toml:5: 'payments.api_base' may not be set together with a live key.",
        ),
        (TEST_KEY + 'topup_min_usd = "0.001"', "'payments.topup_min_usd' must be US dollars and"),
        (TEST_KEY + 'topup_min_usd = "0.49"', "must be at least 0.50"),
        (TEST_KEY + 'topup_min_usd = "9"\ntopup_max_usd = "8"', "'payments.topup_max_usd' must be"),
        (TEST_KEY + 'currency = "eur"', "'payments.currency' must be one of: usd."),
        (TEST_KEY + 'webhook_secert = "x"', "Did you mean 'payments.webhook_secret'?"),
    ],
)
def test_a_fault_names_the_setting_and_never_its_value(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        given(tmp_path, STRIPE + text)
    assert said in caught.value.problem
    assert "SECRET" not in caught.value.problem
