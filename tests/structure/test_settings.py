"""Every setting is documented with its default, and nothing is documented that is none."""

import re
import tomllib

from docs.settings_rows import leaves
from tests.structure.source import ROOT
from troth.kernel.closed_tables import dotted, into
from troth.server.settings import Settings

PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
ROW = re.compile(r"^\| `([\w.]+)` \| (.+?) \| .+ \|$", re.MULTILINE)


def test_every_setting_is_documented_with_its_default() -> None:
    assert dict(ROW.findall(PAGE)) == dict(leaves())


def test_the_page_s_example_is_read() -> None:
    (example,) = re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL)
    table = tomllib.loads(example.replace("api_key_file", "api_key"))
    settings = into(Settings, table, dotted)
    assert settings.server.gateways == 2
    assert settings.models["llama-3.3-70b-versatile"].price.input == "0.59"


def test_no_secret_has_a_default() -> None:
    secrets = [value for name, value in leaves() if name.endswith(("_key", "secret", "password"))]
    assert secrets
    assert set(secrets) == {"empty"}
