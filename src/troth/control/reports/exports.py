"""Reads what providers say they served: an export of usage and cost, by model and day.

Each provider's form is a small table in `exports/`; a file of CSV or JSON is read through it. No
number passes through a float.
"""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import msgspec

from troth.kernel.closed_tables import dotted, into, parse
from troth.kernel.errors import InvalidValue
from troth.kernel.money import NANO

FOLDER: Final = Path(__file__).parent / "exports"
SIZE_MAX: Final = 64 * 1024 * 1024
AMOUNT_MAX: Final = 10**18
DAY_MAX: Final = 100_000
_NUMBER_MAX: Final = 40
_NUMBER: Final = re.compile(
    r"[+-]?\$?(?:[1-9]\d{0,2}(?:,\d{3})+\.\d+|\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII
)
"""Commas stand between thousands only where a point follows: `1,204` may be one or the other."""
_DELIMITERS: Final = (",", ";", "\t")
_EPOCH: Final = dt.date(1970, 1, 1)
_SECONDS_OF_DAY: Final = 86_400
_DIGITS_OF_SECONDS: Final = range(9, 12)
_DIGITS_OF_MILLISECONDS: Final = range(12, 15)
_UNITS: Final[Mapping[str, int]] = {"usd": NANO, "cents": NANO // 100}

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Flat = dict[str, str]


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where in an export things stand; names in JSON are dotted, and tried in their order.

    `rows` are the lists that lead to a row; what stands beside an inner list belongs to its rows.
    `until` cuts what follows a model's name; where it `is_spoken`, as in "Claude Haiku 4.5", it is
    brought into the form of identifiers. A `currency` that is told must be USD. `is_monthly`: a
    row is of a month, told of its first day. `hint` says what to ask the provider for where no row
    is about a model.
    """

    day: tuple[str, ...]
    model: tuple[str, ...]
    cost: tuple[str, ...]
    rows: tuple[str, ...] = ("data",)
    requests: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    unit: str = "usd"
    until: str = ""
    hint: str = ""
    is_spoken: bool = False
    is_monthly: bool = False


class Told(msgspec.Struct, frozen=True):
    """What a provider says of a model on a day, in nano-USD; requests 0 where it does not say."""

    day: int
    model: str
    cost_nusd: int
    requests: int


def known_forms() -> tuple[str, ...]:
    """Return the names of the shipped forms."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


def form_for(provider: str, name: str = "") -> str:
    """Return the name of the form to read: `name`, else a provider's or its upstream's, else plain.

    An upstream such as `openai-eu` is one of the provider whose name it begins with.
    """
    own = (provider, provider.partition("-")[0])
    return name or next((each for each in own if each in known_forms()), "plain")


def form_of(name: str) -> Form:
    """Return a shipped form.

    Raises:
        InvalidValue: there is none of this name.
    """
    if name not in known_forms():
        raise InvalidValue("form", f"give one of {', '.join(known_forms())}")
    file = FOLDER / f"{name}.toml"
    return into(Form, parse(str(file), file.read_text("utf-8")), dotted)


def read_export(form: Form, body: bytes) -> list[Told]:
    """Return an export's rows, summed by day and model.

    Raises:
        InvalidValue: it is neither CSV nor JSON of this form; the line and the field are named.
    """
    if len(body) > SIZE_MAX:
        raise InvalidValue("export", f"give at most {SIZE_MAX} bytes")
    is_json = body.lstrip()[:1] in (b"{", b"[")
    rows = _json_rows(form, body) if is_json else _csv_rows(form, body)
    sums: dict[tuple[int, str], tuple[Fraction, int]] = {}
    count = 0
    for count, row in enumerate(rows, 1):
        told = _told(form, row, count)
        if told is None:
            continue
        at, cost, requests = told
        before = sums.get(at, (Fraction(0), 0))
        sums[at] = (before[0] + cost, before[1] + requests)
    if not count:
        raise InvalidValue("export", "there are no rows in it")
    if not sums:
        raise InvalidValue("export", f"no row of it is about a model. {form.hint}".strip())
    if any(abs(cost) > AMOUNT_MAX or requests > AMOUNT_MAX for cost, requests in sums.values()):
        raise InvalidValue("export", "its sums are larger than any bill")
    return [Told(*at, round(cost), requests) for at, (cost, requests) in sorted(sums.items())]


def _csv_rows(form: Form, body: bytes) -> Iterator[Flat]:
    try:
        text = body.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text), strict=True, delimiter=_delimiter(text))
        names = [name.strip().lower() for name in next(reader, [])]
        _demand_columns(form, set(names))
        for number, row in enumerate((row for row in reader if row), 1):
            if len(row) != len(names):
                reason = f"row {number}: it has {len(row)} fields, the first line {len(names)}"
                raise InvalidValue("export", reason)
            yield {name: value.strip() for name, value in zip(names, row, strict=True)}
    except (UnicodeDecodeError, csv.Error):
        raise InvalidValue("export", "it is not CSV in UTF-8 with a line of names") from None


def _delimiter(text: str) -> str:
    """Return what separates the names in the first line; some programs save `;` or tabs."""
    first = text.partition("\n")[0]
    return max(_DELIMITERS, key=first.count)


def _demand_columns(form: Form, present: set[str]) -> None:
    """Refuse a file whose first line lacks a column, and say which ones were looked for.

    Raises:
        InvalidValue: what is missing, with all names that would do.
    """
    wanted = {"day": form.day, "model": form.model, "cost": form.cost}
    missing = [what for what, names in wanted.items() if present.isdisjoint(names)]
    if present and missing:
        said = "; ".join(f"for the {what}: {_any_of(wanted[what])}" for what in missing)
        raise InvalidValue("export", f"its first line has no column {said}")


def _any_of(names: Sequence[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _json_rows(form: Form, body: bytes) -> Iterator[Flat]:
    try:
        whole: Json = msgspec.json.Decoder(float_hook=str).decode(body)
    except msgspec.MsgspecError:
        raise InvalidValue("export", "it is not one JSON document") from None
    are_many = isinstance(whole, list)
    pages = whole if isinstance(whole, list) else [whole]
    last = pages[-1] if pages else None
    if isinstance(last, dict) and last.get("has_more") is True:
        reason = "its last page says that there are more: fetch them all, and give a list of them"
        raise InvalidValue("export", reason)
    for page in pages:
        is_whole = not are_many or (isinstance(page, dict) and form.rows[0] in page)
        yield from _within(page, form.rows if is_whole else form.rows[1:], {})


def _within(node: Json, lists: Sequence[str], around: Flat) -> Iterator[Flat]:
    """Yield the rows beneath a node, each with what stands around it."""
    if not isinstance(node, dict):
        raise InvalidValue("export", "a row is not an object")
    here = around | dict(_leaves(node, ""))
    if not lists:
        yield here
        return
    inner = node.get(lists[0])
    if not isinstance(inner, list):
        raise InvalidValue("export", f"there is no list '{lists[0]}'")
    for item in inner:
        yield from _within(item, lists[1:], here)


def _leaves(node: dict[str, Json], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        elif isinstance(value, (str, int)) and not isinstance(value, bool):
            yield f"{prefix}{name}", str(value)


def _told(form: Form, row: Flat, number: int) -> tuple[tuple[int, str], Fraction, int] | None:
    """Return day and model of a row, its cost in nano-USD, its requests; None without a model."""
    model = _first(row, form.model)
    if not model:
        return None
    if form.until:
        model = model.partition(form.until)[0]
    if form.is_spoken:
        model = re.sub(r"[ .]+", "-", model).lower()
    if _first(row, form.currency).upper() not in {"", "USD"}:
        raise InvalidValue("export", f"row {number}: its currency is not USD")
    day = _day(_need(row, "day", form.day, number))
    cost = _exact(_need(row, "cost", form.cost, number))
    requests = _exact(_first(row, form.requests) or "0") if form.requests else Fraction(0)
    for name, value in (("day", day), ("cost", cost), ("requests", requests)):
        if value is None:
            raise InvalidValue("export", f"row {number}: its {name} cannot be read")
    assert day is not None
    assert cost is not None
    assert requests is not None
    if form.is_monthly:
        day = first_of_month(day)
    return (day, model), cost * _UNITS[form.unit], int(requests)


def first_of_month(day: int) -> int:
    """Return the first day of a day's month."""
    return ((_EPOCH + dt.timedelta(days=day)).replace(day=1) - _EPOCH).days


def _need(row: Flat, what: str, names: Sequence[str], number: int) -> str:
    """Return a field of a row.

    Raises:
        InvalidValue: the row has none; the names that would do are told.
    """
    found = _first(row, names)
    if not found:
        raise InvalidValue("export", f"row {number}: its {what} is missing, {_any_of(names)}")
    return found


def _first(row: Flat, names: Sequence[str]) -> str:
    return next((row[name] for name in names if row.get(name)), "")


def _day(text: str) -> int | None:
    """Return the day, in UTC, of a date, time, unix seconds or milliseconds, or month as 2026.09.

    A time that names its zone is brought to UTC; one that does not is in it.
    """
    if len(text) == len("2026.09") and text[4] == ".":
        text = f"{text[:4]}-{text[5:]}-01"
    try:
        day = _unix_day(text)
        if day is None:
            at = dt.datetime.fromisoformat(text.removesuffix(" UTC"))
            at = at.astimezone(dt.UTC) if at.tzinfo else at
            day = (at.date() - _EPOCH).days
    except (ValueError, OverflowError):
        return None
    return day if 0 <= day <= DAY_MAX else None


def _unix_day(text: str) -> int | None:
    """Return the day of unix seconds or milliseconds, None for another form."""
    if not (text.isascii() and text.isdecimal()):
        return None
    if len(text) in _DIGITS_OF_SECONDS:
        return int(text) // _SECONDS_OF_DAY
    if len(text) in _DIGITS_OF_MILLISECONDS:
        return int(text) // _SECONDS_OF_DAY // 1_000
    return None


def _exact(text: str) -> Fraction | None:
    """Return a decimal number as it is written, such as `0.06`, `1e-06` or `$1,204.50`."""
    if len(text) > _NUMBER_MAX or not _NUMBER.fullmatch(text):
        return None
    return Fraction(text.replace(",", "").replace("$", ""))
