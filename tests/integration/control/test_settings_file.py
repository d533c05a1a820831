"""The file that `troth init` writes: what it shows commented out is read once it is not."""

import re
from pathlib import Path

import pytest

from tests.builders.command_line import CommandLine
from troth.server.payment_settings import payment_terms
from troth.server.settings import Flags, read

SETTING = re.compile(r"^# (\[[\w.\"/]+\]|[a-z_]+ = .+)$", re.MULTILINE)


@pytest.fixture
def written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """A fresh settings file with every example in force, and the secrets it names."""
    monkeypatch.chdir(tmp_path)
    troth = CommandLine(tmp_path, capsys)
    assert troth.run("init").code == 0
    file = tmp_path / "troth.toml"
    text, count = SETTING.subn(r"\1", file.read_text("utf-8"))
    assert count > 10
    file.write_text(text, "utf-8")
    for name, secret in (
        ("database.url", "postgresql://127.0.0.1/nobody"),
        ("groq.key", "gsk_1"),
        ("stripe.key", "sk_test_1"),
        ("stripe-webhook.key", "whsec_1"),
    ):
        (tmp_path / name).write_text(secret, "utf-8")
    return troth


def test_every_example_of_the_file_can_be_used(written: CommandLine) -> None:
    settings = read(Flags(config=str(written.folder / "troth.toml")), {}).settings
    assert "house/small" in settings.models
    terms = payment_terms(settings.payments)
    assert terms is not None
    assert (terms.api_key, terms.webhook_secret) == ("sk_test_1", "whsec_1")
    said = written.run("config", "check")
    assert said.code == 0, said.err
    assert re.search(r"payments +stripe", said.out)


def test_config_check_and_show_tell_of_payments_without_a_secret(written: CommandLine) -> None:
    assert "sk_test_1" not in written.run("config", "show").out
    file = written.folder / "troth.toml"
    text = file.read_text("utf-8")
    file.write_text(re.sub(r"(?m)^webhook_secret_file.*$", "", text), "utf-8")
    said = written.run("config", "check")
    assert said.code == 1
    assert "Warning: There is no webhook secret" in said.err
