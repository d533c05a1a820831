"""Settings: four layers, each value with its origin, and each fault with its place and its fix."""

from pathlib import Path

import pytest

from troth.kernel.errors import Misconfigured
from troth.kernel.refusing import Unprintable
from troth.server.settings import Flags, Reading, parse_bind, read


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, without settings."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(folder: Path, text: str, variables: dict[str, str] | None = None) -> Reading:
    (folder / "troth.toml").write_text(text, "utf-8")
    return read(Flags(), variables or {})


def fault(folder: Path, text: str, variables: dict[str, str] | None = None) -> str:
    with pytest.raises(Misconfigured) as caught:
        given(folder, text, variables)
    return caught.value.problem


@pytest.mark.usefixtures("folder")
def test_without_any_setting_the_simulated_model_is_offered() -> None:
    reading = read(Flags(), {})
    assert list(reading.settings.providers) == ["simulated"]
    assert reading.settings.server.bind == "127.0.0.1:8080"
    assert reading.origin(("server", "bind")) == "default"


def test_a_variable_goes_over_the_file_and_a_flag_over_both(folder: Path) -> None:
    (folder / "troth.toml").write_text("[server]\ngateways = 2\ndrain_seconds = 5\n", "utf-8")
    variables = {"TROTH_SERVER__GATEWAYS": "3", "TROTH_LIMITS__HOSTS": "a.example, b.example"}
    flags = Flags(values={"server.bind": "127.0.0.1:1"})
    reading = read(flags, variables)
    assert reading.settings.server.gateways == 3
    assert reading.settings.server.drain_seconds == 5
    assert reading.settings.server.bind == "127.0.0.1:1"
    assert reading.settings.limits.hosts == {"a.example", "b.example"}
    assert reading.origin(("server", "gateways")) == "variable TROTH_SERVER__GATEWAYS"
    assert reading.origin(("server", "drain_seconds")) == "troth.toml:3"
    assert reading.origin(("server", "bind")) == "flag for server.bind"


def test_a_secret_can_lie_in_a_file(folder: Path) -> None:
    (folder / "groq.key").write_text("gsk-from-a-file\n", "utf-8")
    text = '[providers.groq]\nkind = "groq"\napi_key_file = "groq.key"\n'
    provider = given(folder, text).settings.providers["groq"]
    assert provider.api_key.reveal() == "gsk-from-a-file"
    variables = {"TROTH_PROVIDERS__GROQ__API_KEY_FILE": str(folder / "groq.key")}
    provider = given(folder, '[providers.groq]\nkind = "groq"\n', variables).settings.providers[
        "groq"
    ]
    assert provider.api_key.reveal() == "gsk-from-a-file"


def test_a_company_s_own_variable_comes_last(folder: Path) -> None:
    variables = {"GROQ_API_KEY": "theirs"}
    plain = '[providers.groq]\nkind = "groq"\n'
    assert given(folder, plain, variables).settings.providers["groq"].api_key.reveal() == "theirs"
    own = plain + 'api_key = "ours"\n'
    assert given(folder, own, variables).settings.providers["groq"].api_key.reveal() == "ours"


@pytest.mark.usefixtures("folder")
def test_a_provider_asked_for_by_flag_needs_its_key() -> None:
    reading = read(Flags(providers=("groq",)), {"GROQ_API_KEY": "theirs"})
    assert reading.settings.providers["groq"].kind == "groq"
    with pytest.raises(Misconfigured, match="Set the variable GROQ_API_KEY"):
        read(Flags(providers=("groq",)), {})


def test_a_secret_is_not_shown_with_the_settings(folder: Path) -> None:
    text = '[providers.groq]\nkind = "groq"\napi_key = "ours"\n'
    with pytest.raises(Unprintable):
        repr(given(folder, text).settings)


def test_paths_of_a_file_start_where_it_lies(folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "troth.toml").write_text('[data]\nfolder = "books"\n', "utf-8")
    reading = read(Flags(config="etc/troth.toml"), {})
    assert reading.settings.folder == folder / "etc" / "books"
    named = read(Flags(config="etc/troth.toml", values={"data.folder": "here"}), {})
    assert named.settings.folder == folder / "here"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\ngateway = 3\n", "troth.toml:2: unknown key 'server.gateway'. Did you mean"),
        ("[sever]\ngateways = 3\n", "troth.toml:2: unknown key 'sever'. Did you mean 'server'?"),
        ('[server]\n\ngateways = "x"\n', "troth.toml:3: 'server.gateways': expected `int`"),
        ("[server]\ngateways = 65\n", "troth.toml:2: 'server.gateways' must be from 1 to 64."),
        ("[limits]\nconnections = -1\n", "troth.toml:2: 'limits.connections' must be at least 0."),
        ("[journal]\nsegment_bytes = 1\n", "'journal.segment_bytes' must be from 1048576 to"),
        ('[wallet]\ndemo_credit_usd = "x"\n', "'wallet.demo_credit_usd' must be US dollars"),
        ("[server]\nstale_seconds = 61\n", "'server.stale_seconds' must be from 2 to 60."),
        ('[server]\nbind = "here"\n', "troth.toml:2: 'server.bind' must be like"),
        ('[server]\ntls_key = "k"\n', "'server.tls_certificate' and 'server.tls_key' go together"),
        (
            '[server]\ntls_floor = "1.1"\n',
            "troth.toml:2: 'server.tls_floor' must be one of: 1.2, 1.3.",
        ),
        (
            '[providers.x]\nkind = "openia"\n',
            "must be one of: anthropic, deepinfra, groq, llamacpp,",
        ),
        ('[providers.x]\nkind = "openia"\n', "Did you mean 'openai'?"),
        ('[providers.x]\nkind = "vllm"\nzdr = "maybe"\n', "'providers.x.zdr'"),
        ('[providers.x]\nurl = "http://a/"\n', "'providers.x.kind' is missing. Add it."),
        ('[providers.x]\nkind = "vllm"\n', "troth.toml:2: 'providers.x.url' is missing"),
        ('[providers.x]\nkind = "groq"\napi_key = 3\n', "troth.toml:3: 'providers.x.api_key'"),
        ('[providers.x]\nkind = "groq"\napi_key_file = "no"\n', "no cannot be read: No such file"),
        ("[server\n", "troth.toml: not valid TOML"),
    ],
)
def test_a_fault_names_file_line_and_fix(folder: Path, text: str, said: str) -> None:
    assert said in fault(folder, text)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TROTH_SERVER__GATEWAY", "2", "there is no setting 'server.gateway'. Did you mean"),
        ("TROTH_SERVER__GATEWAYS", "two", "variable TROTH_SERVER__GATEWAYS: 'server.gateways'"),
        ("TROTH_QQQQ", "1", "'troth config show' lists them all."),
        ("TROTH_CONFIG", "nowhere.toml", "nowhere.toml: there is no such file. 'troth init'"),
    ],
)
def test_a_variable_that_sets_nothing_stops_the_start(
    folder: Path, name: str, value: str, said: str
) -> None:
    assert said in fault(folder, "", {name: value})


def test_a_line_inside_a_list_of_tables_is_named(folder: Path) -> None:
    text = (
        '[models.a]\nprovider = "simulated"\n\n[[models.a.offerings]]\nprovider = "simulated"\n'
        '\n[[models.a.offerings]]\nprovidr = "simulated"\n'
    )
    assert "troth.toml:8: unknown key 'models.a.offerings.1.providr'" in fault(folder, text)


@pytest.mark.parametrize(
    ("bind", "parsed"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:0", ("::1", 0)),
        ("127.0.0.1", None),
        (":80", None),
        ("a:70000", None),
    ],
)
def test_a_bind_is_an_address_and_a_port(bind: str, parsed: tuple[str, int] | None) -> None:
    assert parse_bind(bind) == parsed


def test_what_stands_beside_a_path_is_not_lost(folder: Path) -> None:
    settings = given(folder, '[data]\nfolder = "d"\nusage_days = 90\n').settings
    assert settings.folder == folder / "d"
    assert settings.data.usage_days == 90


def test_how_the_journal_is_written_is_one_of_two(folder: Path) -> None:
    assert given(folder, "[journal]\n").settings.journal.durability == "background"
    text = '[journal]\ndurability = "strict"\n'
    assert given(folder, text).settings.journal.durability == "strict"
    problem = fault(folder, '[journal]\ndurability = "strong"\n')
    assert "journal.durability" in problem
