"""Exports of providers: each form read to the nano-dollar, and what cannot be read is named."""

import msgspec
import pytest

from troth.control.reports import Told, form_for, form_of, known_forms, read_export
from troth.control.reports.reconcile import undated
from troth.kernel.errors import InvalidValue

DAY = 20_393
UNIX = DAY * 86_400
OPENAI = {
    "object": "page",
    "has_more": False,
    "data": [
        {
            "object": "bucket",
            "start_time": UNIX,
            "end_time": UNIX + 86_400,
            "results": [
                {"amount": {"value": 0.06, "currency": "usd"}, "line_item": "gpt-4o, input"},
                {"amount": {"value": 1.5e-7, "currency": "usd"}, "line_item": "gpt-4o, output"},
                {"amount": {"value": 3, "currency": "usd"}, "line_item": None},
            ],
        }
    ],
}
ANTHROPIC = {
    "data": [
        {
            "starting_at": "2025-11-01T00:00:00Z",
            "ending_at": "2025-11-02T00:00:00Z",
            "results": [
                {"currency": "USD", "amount": "123.78912", "model": "claude-x-20250514"},
                {"currency": "USD", "amount": "0.00001", "model": "claude-x-20250514"},
                {"currency": "USD", "amount": "9", "model": None},
            ],
        }
    ]
}
DEEPINFRA = {
    "months": [
        {
            "period": "2025.11",
            "interval": {"fr": 1_761_980_400_000, "to": 1_764_575_999_999},
            "items": [
                {
                    "model": {"provider": "di", "model_name": "maker/model", "private": False},
                    "units": 2_286_051,
                    "rate": 0.00013,
                    "cost": cents,
                    "pricing_type": kind,
                }
                for cents, kind in ((297, "input_tokens"), (46, "output_tokens"))
            ],
            "total_cost": None,
        }
    ],
    "initial_month": "2025.11",
}
OPENROUTER = {
    "data": [
        {"date": "2025-11-01", "model": "openai/gpt-4.1", "usage": 0.015, "requests": 5},
        {"date": "2025-11-01 00:00:00", "model": "openai/gpt-4.1", "usage": 0.1, "requests": 2},
    ]
}

_ISO = "2025-11-01T00:00:00+00:00,2025-11-02T00:00:00+00:00"
OPENAI_CSV = (
    "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,"
    "quantity_unit,line_item,user_id,api_key_id,project_id,organization_id,project_name,"
    "organization_name,user_email,api_source\n"
    f"{UNIX},{UNIX + 86_400},{_ISO},,,,,,,,,,,,,\n"
    f"{UNIX},{UNIX + 86_400},{_ISO},"
    '0.500000001,usd,7,tokens,"m, output",,,proj_1,org_1,Name,Name,,api\n'
)
GENERATIONS_CSV = (
    "generation_id,created_at,cost_total,cost_web_search,cost_cache,model_permaslug,variant\n"
    "gen-1,2025-11-01 03:46:57.713,0.5,0,0,m,\n"
    "gen-2,2025-11-01 23:59:59.999,0.000000001,0,0,m,free\n"
)
ANTHROPIC_CSV = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,"
    "list_price_usd,cost_type,inference_geo,speed,api_key_id,api_key_status\n"
    "2025-11-01,Claude Haiku 4.5,W,k,message,<= 200k,output,0.02,0.02,token,x,,a,live\n"
    "2025-11-01,Claude Haiku 4.5,W,k,message,<= 200k,input_no_cache,0.05,1,token,x,,a,live\n"
)


def test_the_json_of_each_company_is_read_exactly() -> None:
    read = {
        "openai": (OPENAI, Told(DAY, "gpt-4o", 60_000_150, 0)),
        "anthropic": (ANTHROPIC, Told(DAY, "claude-x-20250514", 1_237_891_300, 0)),
        "openrouter": (OPENROUTER, Told(DAY, "openai/gpt-4.1", 115_000_000, 7)),
        "deepinfra": (DEEPINFRA, Told(DAY, "maker/model", 3_430_000_000, 0)),
    }
    for name, (document, told) in read.items():
        assert read_export(form_of(name), msgspec.json.encode(document)) == [told]


def test_pages_in_a_list_and_bare_rows_are_read_too() -> None:
    pages = msgspec.json.encode([OPENAI, OPENAI])
    assert read_export(form_of("openai"), pages)[0].cost_nusd == 120_000_300
    buckets = msgspec.json.encode(OPENAI["data"])
    assert read_export(form_of("openai"), buckets)[0].cost_nusd == 60_000_150
    rows = msgspec.json.encode(OPENROUTER["data"])
    assert read_export(form_of("openrouter"), rows)[0].requests == 7


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("plain", "day,model,cost_usd,requests\n2025-11-01,m,0.5,2\n2025-11-01,m,1e-9,1\n"),
        ("plain", "\ufeffDate , Model,Cost\r\n2025-11-01,m,$0.500000001\r\n"),
        ("anthropic-csv", "usage_date_utc,model,cost_usd\n2025-11-01,m,0.500000001\n"),
        ("openai", f'start_time,line_item,amount_value\n{UNIX},"m, input",0.500000001\n'),
        ("openai", OPENAI_CSV),
        ("openrouter", GENERATIONS_CSV),
        ("openrouter", "date,model,usage,requests\n2025-11-01,m,0.500000001,3\n"),
        ("plain", "day;model;cost_usd\n2025-11-01;m;0.500000001\n"),
        ("plain", "day\tmodel\tcost_usd\r\n\r\n20251101\tm\t.500000001\r\n"),
        ("plain", "day,model,cost_usd\n2025-10-31T23:30:00-05:00,m,0.500000001\n"),
        ("plain", "day,model,cost_usd\n2025-11-02 00:30:00+02:00,m,0.500000001\n"),
        ("plain", "day,model,cost_usd\n2025-11-01 10:00:00 UTC,m,0.500000001\n"),
        ("plain", f"day,model,cost_usd\n{UNIX}123,m,0.500000001\n"),
        (
            "plain",
            "day,model,cost_usd\n"
            + "2025-11-01,m,0.0000000001\n" * 10
            + '2025-11-01,m,"$1,000.5"\n2025-11-01,m,-1000\n',
        ),
    ],
)
def test_csv_of_each_form_is_read_exactly(form: str, text: str) -> None:
    (told,) = read_export(form_of(form), text.encode())
    assert (told.day, told.model, told.cost_nusd) == (DAY, "m", 500_000_001)


def test_spoken_names_of_models_become_identifiers() -> None:
    read = read_export(form_of("anthropic-csv"), ANTHROPIC_CSV.encode())
    assert read == [Told(DAY, "claude-haiku-4-5", 70_000_000, 0)]


@pytest.mark.parametrize(
    ("form", "first_line", "said"),
    [
        ("plain", "a,b,c", ("for the day: 'day' or 'date'", "'model'", "'cost_usd' or 'cost'")),
        ("plain", "day,model,tokens", ("for the cost: 'cost_usd' or 'cost'",)),
        (
            "anthropic-csv",
            "usage_date_utc,model_version,usage_output_tokens",
            ("for the cost: 'cost_usd' or 'cost'",),
        ),
        ("openai", "start_time,amount_value", ("for the model: 'line_item' or 'model'",)),
    ],
)
def test_columns_that_a_file_lacks_are_all_named(
    form: str, first_line: str, said: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidValue) as refused:
        read_export(form_of(form), f"{first_line}\n1,2,3\n".encode())
    assert all(part in refused.value.message for part in said)
    present = set(first_line.split(",")) - {"day", "model", "date"}
    assert all(f"'{name}'" not in refused.value.message for name in present)


@pytest.mark.parametrize(
    ("form", "document", "said"),
    [
        ("openai", {"data": [{"start_time": UNIX, "results": [{"line_item": None}]}]}, "group_by"),
        (
            "openai",
            {"data": [{"start_time": UNIX, "results": [{"line_item": "m, input"}]}]},
            "row 1: its cost is missing, 'amount.value' or",
        ),
        (
            "anthropic",
            {"data": [{"starting_at": "2025-11-01", "results": [{"amount": "1", "model": None}]}]},
            "group_by[]=description",
        ),
        ("deepinfra", {"months": []}, "no rows"),
        ("deepinfra", {"data": []}, "no list 'months'"),
        ("openrouter", {"data": [{"model": "m", "usage": 1}]}, "its day is missing, 'date' or"),
    ],
)
def test_json_that_lacks_something_says_what(form: str, document: object, said: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        read_export(form_of(form), msgspec.json.encode(document))
    assert said in refused.value.message


def test_an_upstream_has_the_form_of_its_provider() -> None:
    found = [form_for("openai"), form_for("openai-eu"), form_for("acme"), form_for("acme", "plain")]
    assert found == ["openai", "openai", "plain", "plain"]
    assert form_for("anthropic", "anthropic-csv") == "anthropic-csv"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no rows"),
        (b"day,model,cost_usd\n", "no rows"),
        (b"day,model,cost_usd\nsoon,m,1\n", "row 1: its day"),
        (b"day,model,cost_usd\n2025-11-01,m,1\n2025-11-01,m,much\n", "row 2: its cost"),
        (b"day,model,cost_usd\n2025-11-01,m,NaN\n", "its cost"),
        (b"day,model,cost_usd\n2025-11-01,m,1e999\n", "its cost"),
        (b"day,model,cost_usd\n2025-11-01,m,1/0\n", "its cost"),
        (b'day,model,cost_usd\n2025-11-01,m,"0,06"\n', "its cost"),
        (b"day;model;cost_usd\n2025-11-01;m;1,204\n", "its cost"),
        (
            b"day,model,cost_usd\n2025-11-01,m,1,204.50\n",
            "row 1: it has 4 fields, the first line 3",
        ),
        (b"day,model,cost_usd\n2025-11-01\n", "row 1: it has 1 fields"),
        (b"day,model,cost_usd\n99999999999,m,1\n", "its day"),
        (b"day,model,cost_usd\n9999-12-31,m,1\n", "its day"),
        (b"day,model,cost_usd\n0001-01-01T00:00:00+10:00,m,1\n", "its day"),
        (b"day,model,cost_usd\n2025-11-01,m,1e10\n", "larger than any bill"),
        (b"day,model,cost_usd\n2025-11-01,m," + b"9" * 50 + b"\n", "its cost"),
        (b"day,model,cost_usd,requests\n2025-11-01,m,1,x\n", "its requests"),
        (b"\xff\xfe", "not CSV in UTF-8"),
        (b'{"data":', "not one JSON document"),
        (b'{"other": []}', "no list 'data'|not an object|row 1"),
        (b"[1]", "not an object"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_quoted(body: bytes, said: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        read_export(form_of("plain"), body)
    assert any(part in refused.value.message for part in said.split("|"))
    assert "much" not in refused.value.message


@pytest.mark.parametrize("form", ["openai", "anthropic"])
def test_another_currency_is_refused(form: str) -> None:
    document = OPENAI if form == "openai" else ANTHROPIC
    body = msgspec.json.encode(document).replace(b'"usd"', b'"eur"').replace(b'"USD"', b'"EUR"')
    with pytest.raises(InvalidValue) as refused:
        read_export(form_of(form), body)
    assert "its currency is not USD" in refused.value.message


def test_one_page_of_several_is_no_bill() -> None:
    first = {**OPENAI, "has_more": True, "next_page": "p2"}
    for pages in (first, [OPENAI, first]):
        with pytest.raises(InvalidValue) as refused:
            read_export(form_of("openai"), msgspec.json.encode(pages))
        assert "there are more" in refused.value.message
    both = read_export(form_of("openai"), msgspec.json.encode([first, OPENAI]))
    assert both[0].cost_nusd == 120_000_300


def test_an_unknown_form_names_those_there_are() -> None:
    with pytest.raises(InvalidValue) as refused:
        form_of("../secrets")
    assert all(name in refused.value.message for name in known_forms())
    assert len(known_forms()) == 6


@pytest.mark.parametrize(
    ("model", "plain"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("llama-3.3-70b", "llama-3.3-70b"),
        ("m-2024", "m-2024"),
    ],
)
def test_a_date_at_the_end_of_a_name_is_known(model: str, plain: str) -> None:
    assert undated(model) == plain
