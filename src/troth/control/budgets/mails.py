"""What an alert's mail says: fixed sentences in three languages, references and numbers."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

import msgspec

from troth.control.budgets.alert import Alert, AlertKind
from troth.control.budgets.contacts import Language
from troth.kernel.money import usd

_MS: Final = 1_000
_CENT: Final = 10_000_000


class Mail(msgspec.Struct, frozen=True):
    """A mail in plain text. `id` names it: whoever gets it twice can tell."""

    id: str
    address: str
    subject: str
    text: str


class _Letter(msgspec.Struct, frozen=True):
    subject: str
    text: str


class _Sentences(msgspec.Struct, frozen=True):
    told: Mapping[AlertKind, _Letter]
    since: str
    periods: Mapping[str, str]


_SENTENCES: Final[Mapping[Language, _Sentences]] = {
    "en": _Sentences(
        {
            AlertKind.BUDGET: _Letter(
                "{level} % of a budget is used",
                "{level} % of a budget is used.\n\n"
                "Organization: {organization}\n"
                "Budget of: {subject}\n"
                "Period: {period}{since}\n"
                "Used: {used} of {limit} USD\n"
                "As of: {at} UTC\n\n"
                "At 100 % a hard budget refuses requests until its next period; an alert never "
                "does.\n",
            ),
            AlertKind.BUDGET_STOP: _Letter(
                "A budget refuses requests",
                "What is left of a hard budget did not pay for a request, which was refused.\n\n"
                "Organization: {organization}\n"
                "Budget of: {subject}\n"
                "Period: {period}{since}\n"
                "Used: {used} of {limit} USD\n"
                "As of: {at} UTC\n\n"
                "Requests go on in its next period, or when its limit is raised.\n",
            ),
            AlertKind.LOW_BALANCE: _Letter(
                "Days of credit left: {days}",
                "Days of credit left, at the pace of the last seven days: {days}\n\n"
                "Organization: {organization}\n"
                "Credit: {used} USD\n"
                "As of: {at} UTC\n\n"
                "Without credit requests are refused. Nothing is ever charged beyond it.\n",
            ),
            AlertKind.CREDIT_ENDS: _Letter(
                "Credit ends on {day}",
                "Credit that is not used until then ends on {day} (UTC).\n\n"
                "Organization: {organization}\n"
                "Credit that ends: {used} USD\n"
                "As of: {at} UTC\n\n"
                "It is spent before credit that lasts. What a running request has set aside ends "
                "after the request.\n",
            ),
            AlertKind.CARD_CONFIRM: _Letter(
                "An automatic top-up needs you",
                "The bank wants the card's owner to confirm an automatic top-up. Nothing was "
                "charged.\n\n"
                "Organization: {organization}\n"
                "Amount: {used} USD\n"
                "As of: {at} UTC\n\n"
                "Top up on the payment page, where the bank can ask. The card is tried again "
                "after a day.\n",
            ),
            AlertKind.AUTOMATIC_OFF: _Letter(
                "Automatic top-up is off",
                "Automatic top-up was switched off: the card was declined three times, or the "
                "operator's terms no longer allow it.\n\n"
                "Organization: {organization}\n"
                "Amount: {used} USD\n"
                "As of: {at} UTC\n\n"
                "Top up, then switch it on again. Without credit requests are refused.\n",
            ),
            AlertKind.CLOSING: _Letter(
                "This account will be closed on {day}",
                "This account will be closed on {moment} UTC.\n\n"
                "Organization: {organization}\n"
                "Credit: {used} USD\n"
                "As of: {at} UTC\n\n"
                "Its keys end then. Bought credit that is left is paid back to where it was paid "
                "from; credit that was given ends.\n",
            ),
            AlertKind.CLOSED: _Letter(
                "This account is closed",
                "This account was closed on {moment} UTC.\n\n"
                "Organization: {organization}\n"
                "Paid back: {used} USD\n"
                "Of it still to be paid another way: {limit} USD\n\n"
                "This address is forgotten after this mail.\n",
            ),
        },
        ", since {} UTC",
        {"day": "day", "week": "week", "month": "month", "total": "in all"},
    ),
    "de": _Sentences(
        {
            AlertKind.BUDGET: _Letter(
                "{level} % eines Budgets sind verbraucht",
                "{level} % eines Budgets sind verbraucht.\n\n"
                "Organisation: {organization}\n"
                "Budget von: {subject}\n"
                "Zeitraum: {period}{since}\n"
                "Verbraucht: {used} von {limit} USD\n"
                "Stand: {at} UTC\n\n"
                "Bei 100 % weist ein festes Budget Anfragen bis zum nächsten Zeitraum ab; eines, "
                "das nur meldet, nie.\n",
            ),
            AlertKind.BUDGET_STOP: _Letter(
                "Ein Budget weist Anfragen ab",
                "Der Rest eines festen Budgets reichte nicht für eine Anfrage; sie wurde "
                "abgewiesen.\n\n"
                "Organisation: {organization}\n"
                "Budget von: {subject}\n"
                "Zeitraum: {period}{since}\n"
                "Verbraucht: {used} von {limit} USD\n"
                "Stand: {at} UTC\n\n"
                "Es geht weiter mit dem nächsten Zeitraum oder einer höheren Grenze.\n",
            ),
            AlertKind.LOW_BALANCE: _Letter(
                "Guthaben reicht noch (Tage): {days}",
                "Beim Verbrauch der letzten sieben Tage reicht das Guthaben noch (Tage): {days}\n\n"
                "Organisation: {organization}\n"
                "Guthaben: {used} USD\n"
                "Stand: {at} UTC\n\n"
                "Ohne Guthaben werden Anfragen abgewiesen. Darüber hinaus wird nie etwas "
                "berechnet.\n",
            ),
            AlertKind.CREDIT_ENDS: _Letter(
                "Guthaben verfällt am {day}",
                "Guthaben, das bis dahin nicht verbraucht ist, verfällt am {day} (UTC).\n\n"
                "Organisation: {organization}\n"
                "Es verfallen: {used} USD\n"
                "Stand: {at} UTC\n\n"
                "Es wird vor Guthaben verbraucht, das bleibt. Was eine laufende Anfrage reserviert "
                "hat, verfällt nach der Anfrage.\n",
            ),
            AlertKind.CARD_CONFIRM: _Letter(
                "Eine automatische Aufladung braucht Sie",
                "Die Bank verlangt, dass die Karteninhaberin oder der Karteninhaber eine "
                "automatische Aufladung bestätigt. Es wurde nichts belastet.\n\n"
                "Organisation: {organization}\n"
                "Betrag: {used} USD\n"
                "Stand: {at} UTC\n\n"
                "Laden Sie auf der Zahlungsseite auf, wo die Bank fragen kann. Die Karte wird "
                "nach einem Tag wieder versucht.\n",
            ),
            AlertKind.AUTOMATIC_OFF: _Letter(
                "Automatische Aufladung ist aus",
                "Die automatische Aufladung wurde ausgeschaltet: Die Karte wurde dreimal "
                "abgelehnt, oder die Bedingungen des Betreibers lassen sie nicht mehr zu.\n\n"
                "Organisation: {organization}\n"
                "Betrag: {used} USD\n"
                "Stand: {at} UTC\n\n"
                "Laden Sie auf und schalten Sie sie wieder ein. Ohne Guthaben werden Anfragen "
                "abgewiesen.\n",
            ),
            AlertKind.CLOSING: _Letter(
                "Dieses Konto wird am {day} geschlossen",
                "Dieses Konto wird am {moment} UTC geschlossen.\n\n"
                "Organisation: {organization}\n"
                "Guthaben: {used} USD\n"
                "Stand: {at} UTC\n\n"
                "Dann enden seine Schlüssel. Gekauftes Guthaben, das übrig ist, geht "
                "dorthin zurück, woher es bezahlt wurde; geschenktes verfällt.\n",
            ),
            AlertKind.CLOSED: _Letter(
                "Dieses Konto ist geschlossen",
                "Dieses Konto wurde am {moment} UTC geschlossen.\n\n"
                "Organisation: {organization}\n"
                "Zurückbezahlt: {used} USD\n"
                "Davon noch auf anderem Weg zu zahlen: {limit} USD\n\n"
                "Diese Adresse wird nach dieser Mail vergessen.\n",
            ),
        },
        ", seit {} UTC",
        {"day": "Tag", "week": "Woche", "month": "Monat", "total": "insgesamt"},
    ),
    "fr": _Sentences(
        {
            AlertKind.BUDGET: _Letter(
                "{level} % d'un budget sont utilisés",
                "{level} % d'un budget sont utilisés.\n\n"
                "Organisation : {organization}\n"
                "Budget de : {subject}\n"
                "Période : {period}{since}\n"
                "Utilisé : {used} sur {limit} USD\n"
                "État : {at} UTC\n\n"
                "À 100 %, un budget ferme refuse les requêtes jusqu'à la période suivante ; un "
                "budget d'alerte, jamais.\n",
            ),
            AlertKind.BUDGET_STOP: _Letter(
                "Un budget refuse des requêtes",
                "Le reste d'un budget ferme n'a pas suffi à une requête, qui a été refusée.\n\n"
                "Organisation : {organization}\n"
                "Budget de : {subject}\n"
                "Période : {period}{since}\n"
                "Utilisé : {used} sur {limit} USD\n"
                "État : {at} UTC\n\n"
                "Les requêtes reprennent à la période suivante ou avec une limite plus haute.\n",
            ),
            AlertKind.LOW_BALANCE: _Letter(
                "Jours de crédit restants : {days}",
                "Jours de crédit restants, au rythme des sept derniers jours : {days}\n\n"
                "Organisation : {organization}\n"
                "Crédit : {used} USD\n"
                "État : {at} UTC\n\n"
                "Sans crédit, les requêtes sont refusées. Rien n'est jamais débité au-delà.\n",
            ),
            AlertKind.CREDIT_ENDS: _Letter(
                "Du crédit expire le {day}",
                "Le crédit qui n'est pas utilisé d'ici là expire le {day} (UTC).\n\n"
                "Organisation : {organization}\n"
                "Crédit qui expire : {used} USD\n"
                "État : {at} UTC\n\n"
                "Il est utilisé avant celui qui dure. Ce qu'une requête en cours a réservé expire "
                "après la requête.\n",
            ),
            AlertKind.CARD_CONFIRM: _Letter(
                "Une recharge automatique vous attend",
                "La banque demande que le titulaire de la carte confirme une recharge "
                "automatique. Rien n'a été débité.\n\n"
                "Organisation : {organization}\n"
                "Montant : {used} USD\n"
                "État : {at} UTC\n\n"
                "Rechargez sur la page de paiement, où la banque peut demander. La carte est "
                "réessayée après un jour.\n",
            ),
            AlertKind.AUTOMATIC_OFF: _Letter(
                "La recharge automatique est désactivée",
                "La recharge automatique a été désactivée : la carte a été refusée trois fois, ou "
                "les conditions de l'opérateur ne la permettent plus.\n\n"
                "Organisation : {organization}\n"
                "Montant : {used} USD\n"
                "État : {at} UTC\n\n"
                "Rechargez, puis réactivez-la. Sans crédit, les requêtes sont refusées.\n",
            ),
            AlertKind.CLOSING: _Letter(
                "Ce compte sera fermé le {day}",
                "Ce compte sera fermé le {moment} UTC.\n\n"
                "Organisation : {organization}\n"
                "Crédit : {used} USD\n"
                "État : {at} UTC\n\n"
                "Ses clés expirent alors. Le crédit acheté qui reste est remboursé là d'où il a "
                "été payé ; le crédit offert expire.\n",
            ),
            AlertKind.CLOSED: _Letter(
                "Ce compte est fermé",
                "Ce compte a été fermé le {moment} UTC.\n\n"
                "Organisation : {organization}\n"
                "Remboursé : {used} USD\n"
                "Dont encore à payer autrement : {limit} USD\n\n"
                "Cette adresse est oubliée après ce message.\n",
            ),
        },
        ", depuis le {} UTC",
        {"day": "jour", "week": "semaine", "month": "mois", "total": "au total"},
    ),
}


def mail(alert: Alert, address: str, language: Language) -> Mail:
    """Return an alert's mail; the same alert gives the same mail."""
    sentences = _SENTENCES[language]
    letter = sentences.told[alert.kind]
    filled = {
        "organization": alert.organization,
        "subject": alert.subject,
        "period": sentences.periods.get(alert.period, ""),
        "since": sentences.since.format(_moment(alert.since_ms)) if alert.since_ms else "",
        "level": str(alert.level),
        "used": dollars(alert.used_nusd),
        "limit": dollars(alert.limit_nusd),
        "days": str(alert.days),
        "at": _moment(alert.created_at_ms),
        "moment": _moment(alert.since_ms),
        "day": _moment(alert.since_ms)[: len("2026-12-31")],
    }
    return Mail(alert.id, address, letter.subject.format(**filled), letter.text.format(**filled))


def dollars(nusd: int) -> str:
    """Return dollars with two decimals, or with as many as they need."""
    shown = usd(nusd)
    return shown[:-7] if nusd % _CENT == 0 else shown.rstrip("0")


def _moment(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms // _MS, dt.UTC).strftime("%Y-%m-%d %H:%M")
