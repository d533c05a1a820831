"""What an alert's mail says: fixed sentences in three languages, references and numbers."""

import datetime as dt
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from troth.kernel.money import usd

Language = Literal["en", "de", "fr"]

_MS: Final = 1_000
_CENT: Final = 10_000_000


class Mail(msgspec.Struct, frozen=True):
    """A mail in plain text. `id` names it: whoever gets it twice can tell."""

    id: str
    address: str
    subject: str
    text: str


class Told(msgspec.Struct, frozen=True):
    """What the sentences are filled with; money in nano-USD, times in unix milliseconds."""

    organization: str
    subject: str
    period: str
    since_ms: int
    level: int
    used_nusd: int
    limit_nusd: int
    days: int
    at_ms: int


class _Sentences(msgspec.Struct, frozen=True):
    budget_subject: str
    budget: str
    low_subject: str
    low: str
    since: str
    periods: Mapping[str, str]


_SENTENCES: Final[Mapping[Language, _Sentences]] = {
    "en": _Sentences(
        "{level} % of a budget is used",
        "{level} % of a budget is used.\n\n"
        "Organization: {organization}\n"
        "Budget of: {subject}\n"
        "Period: {period}{since}\n"
        "Used: {used} of {limit} USD\n"
        "As of: {at} UTC\n\n"
        "At 100 % a hard budget refuses requests until its next period; an alert never does.\n",
        "Days of credit left: {days}",
        "Days of credit left, at the pace of the last seven days: {days}\n\n"
        "Organization: {organization}\n"
        "Credit: {used} USD\n"
        "As of: {at} UTC\n\n"
        "Without credit requests are refused. Nothing is ever charged beyond it.\n",
        ", since {} UTC",
        {"day": "day", "week": "week", "month": "month", "total": "in all"},
    ),
    "de": _Sentences(
        "{level} % eines Budgets sind verbraucht",
        "{level} % eines Budgets sind verbraucht.\n\n"
        "Organisation: {organization}\n"
        "Budget von: {subject}\n"
        "Zeitraum: {period}{since}\n"
        "Verbraucht: {used} von {limit} USD\n"
        "Stand: {at} UTC\n\n"
        "Bei 100 % weist ein festes Budget Anfragen bis zum nächsten Zeitraum ab; eines, das nur "
        "meldet, nie.\n",
        "Guthaben reicht noch (Tage): {days}",
        "Beim Verbrauch der letzten sieben Tage reicht das Guthaben noch (Tage): {days}\n\n"
        "Organisation: {organization}\n"
        "Guthaben: {used} USD\n"
        "Stand: {at} UTC\n\n"
        "Ohne Guthaben werden Anfragen abgewiesen. Darüber hinaus wird nie etwas berechnet.\n",
        ", seit {} UTC",
        {"day": "Tag", "week": "Woche", "month": "Monat", "total": "insgesamt"},
    ),
    "fr": _Sentences(
        "{level} % d'un budget sont utilisés",
        "{level} % d'un budget sont utilisés.\n\n"
        "Organisation : {organization}\n"
        "Budget de : {subject}\n"
        "Période : {period}{since}\n"
        "Utilisé : {used} sur {limit} USD\n"
        "État : {at} UTC\n\n"
        "À 100 %, un budget ferme refuse les requêtes jusqu'à la période suivante ; un budget "
        "d'alerte, jamais.\n",
        "Jours de crédit restants : {days}",
        "Jours de crédit restants, au rythme des sept derniers jours : {days}\n\n"
        "Organisation : {organization}\n"
        "Crédit : {used} USD\n"
        "État : {at} UTC\n\n"
        "Sans crédit, les requêtes sont refusées. Rien n'est jamais débité au-delà.\n",
        ", depuis le {} UTC",
        {"day": "jour", "week": "semaine", "month": "mois", "total": "au total"},
    ),
}


def mail(told: Told, alert_id: str, address: str, language: Language) -> Mail:
    """Return an alert's mail; the same alert gives the same mail."""
    sentences = _SENTENCES[language]
    subject, text = (
        (sentences.budget_subject, sentences.budget)
        if told.period
        else (sentences.low_subject, sentences.low)
    )
    filled = {
        "organization": told.organization,
        "subject": told.subject,
        "period": sentences.periods.get(told.period, ""),
        "since": sentences.since.format(_moment(told.since_ms)) if told.since_ms else "",
        "level": str(told.level),
        "used": dollars(told.used_nusd),
        "limit": dollars(told.limit_nusd),
        "days": str(told.days),
        "at": _moment(told.at_ms),
    }
    return Mail(alert_id, address, subject.format(**filled), text.format(**filled))


def dollars(nusd: int) -> str:
    """Return dollars with two decimals, or with as many as they need."""
    shown = usd(nusd)
    return shown[:-7] if nusd % _CENT == 0 else shown.rstrip("0")


def _moment(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms // _MS, dt.UTC).strftime("%Y-%m-%d %H:%M")
