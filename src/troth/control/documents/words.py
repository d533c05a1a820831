"""What documents say, in English, German and French. A word has all three or does not exist."""

from collections.abc import Mapping
from typing import Final

from troth.control.documents.vat_ids import territory

LANGUAGES: Final = ("en", "de", "fr")

_TABLE: Final[Mapping[str, tuple[str, str, str]]] = {
    # Titles
    "title.receipt": ("Receipt", "Zahlungsbeleg", "Reçu"),
    "title.invoice": ("Invoice", "Rechnung", "Facture"),
    "title.statement": ("Statement of usage", "Nutzungsabrechnung", "Relevé d’utilisation"),
    "title.credit_note": ("Credit note", "Gutschrift (Rechnungskorrektur)", "Avoir"),
    # Facts
    "number": ("Number", "Nummer", "Numéro"),
    "issued_on": ("Date of issue", "Ausstellungsdatum", "Date d’émission"),
    "supplied_on": ("Date of payment", "Zahlungsdatum", "Date de paiement"),
    "period": ("Period", "Leistungszeitraum", "Période"),
    "period.to": ("to", "bis", "au"),
    "reference": ("Reference", "Referenz", "Référence"),
    "mirrors": ("Corrects", "Korrigiert", "Rectifie"),
    "mirrors.of": ("of", "vom", "du"),
    "seller": ("From", "Von", "De"),
    "buyer": ("To", "An", "À"),
    "vat_id": ("VAT number", "USt-IdNr.", "N° de TVA"),
    "vat_id.CH": ("VAT number", "MWST-Nr.", "N° de TVA"),
    "registration": ("Registration", "Register", "Immatriculation"),
    "page": ("Page", "Seite", "Page"),
    # Cash
    "cash": ("Items", "Positionen", "Postes"),
    "cash.item": ("Description", "Bezeichnung", "Désignation"),
    "cash.net": ("Amount", "Betrag", "Montant"),
    "item.credit": (
        "Prepaid credit for the use of language models",
        "Guthaben für die Nutzung von Sprachmodellen",
        "Crédit prépayé pour l’utilisation de modèles de langage",
    ),
    "item.usage": (
        "Use of language models",
        "Nutzung von Sprachmodellen",
        "Utilisation de modèles de langage",
    ),
    "item.refund": ("Amount returned", "Erstatteter Betrag", "Montant remboursé"),
    "net": ("Net", "Netto", "Total HT"),
    "vat": ("VAT", "USt.", "TVA"),
    "vat.CH": ("VAT", "MWST", "TVA"),
    "gross": ("Total", "Gesamtbetrag", "Total TTC"),
    "gross.untaxed": ("Total", "Gesamtbetrag", "Total"),
    # Usage
    "usage": ("Usage by model", "Nutzung nach Modell", "Utilisation par modèle"),
    "usage.model": ("Model", "Modell", "Modèle"),
    "usage.count": ("Requests", "Anfragen", "Requêtes"),
    "usage.in": ("Tokens in", "Token ein", "Jetons en entrée"),
    "usage.cached": ("of these cached", "davon aus Cache", "dont en cache"),
    "usage.out": ("Tokens out", "Token aus", "Jetons en sortie"),
    "usage.charged": ("Charged (USD)", "Berechnet (USD)", "Facturé (USD)"),
    "usage.boundary": (
        "Begun in one month, posted in another",
        "In einem Monat begonnen, im anderen gebucht",
        "Commencé un mois, comptabilisé un autre",
    ),
    "usage.sum": ("Sum", "Summe", "Somme"),
    # Balance
    "balance": ("Credit (USD)", "Guthaben (USD)", "Crédit (USD)"),
    "balance.flow": ("Movement", "Bewegung", "Mouvement"),
    "balance.amount": ("Amount (USD)", "Betrag (USD)", "Montant (USD)"),
    "flow.opening": ("At the beginning", "Zu Beginn", "Au début"),
    "flow.bought": ("Bought", "Gekauft", "Acheté"),
    "flow.given": ("Given", "Geschenkt", "Offert"),
    "flow.corrected": ("Charges corrected", "Berichtigte Belastungen", "Débits corrigés"),
    "flow.other_in": ("Other additions", "Sonstige Zugänge", "Autres entrées"),
    "flow.used": ("Used", "Verbraucht", "Utilisé"),
    "flow.returned": ("Returned", "Erstattet", "Remboursé"),
    "flow.other_out": ("Other deductions", "Sonstige Abgänge", "Autres sorties"),
    "flow.closing": ("At the end", "Am Ende", "À la fin"),
    # What is taxed of a month
    "split": ("What is invoiced", "Was berechnet wird", "Ce qui est facturé"),
    "split.used": ("Used", "Verbraucht", "Utilisé"),
    "split.gifts": (
        "Paid with given credit",
        "Mit geschenktem Guthaben bezahlt",
        "Payé avec du crédit offert",
    ),
    "split.earlier": (
        "Paid with credit that was invoiced when bought",
        "Mit Guthaben bezahlt, das beim Kauf berechnet wurde",
        "Payé avec du crédit facturé à l’achat",
    ),
    "split.corrected": ("Charges corrected", "Berichtigte Belastungen", "Débits corrigés"),
    "split.carried_in": (
        "Part of a cent from the month before",
        "Centbruchteil aus dem Vormonat",
        "Fraction de centime du mois précédent",
    ),
    "split.carried_out": (
        "Part of a cent to the next month",
        "Centbruchteil in den Folgemonat",
        "Fraction de centime au mois suivant",
    ),
    "split.invoiced": ("Invoiced", "Berechnet", "Facturé"),
    # Tax
    "tax.none": (
        "No VAT is charged.",
        "Es wird keine Umsatzsteuer berechnet.",
        "TVA non facturée.",
    ),
    "tax.reverse_charge": (
        "Reverse charge: VAT is owed by the recipient.",
        "Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge).",
        "Autoliquidation : TVA due par le preneur.",
    ),
    "tax.outside": (
        "Outside the scope of VAT in the seller’s country.",
        "Im Land des Verkäufers nicht steuerbar.",
        "Hors du champ de la TVA dans le pays du vendeur.",
    ),
    "tax.later": (
        "Payment for credit: VAT is due when it is used, and invoiced monthly.",
        "Zahlung für Guthaben: Die Umsatzsteuer entsteht bei Nutzung und wird monatlich berechnet.",
        "Paiement d’un crédit : la TVA est due à l’utilisation et facturée chaque mois.",
    ),
    "tax.earlier": (
        "VAT, where it is due, was invoiced when this credit was bought.",
        "Umsatzsteuer wurde, soweit sie anfällt, beim Kauf des Guthabens berechnet.",
        "La TVA éventuellement due a été facturée à l’achat de ce crédit.",
    ),
    # Notes
    "note.paid": (
        "Paid in full: no payment is due.",
        "Vollständig bezahlt: Es ist nichts zu zahlen.",
        "Entièrement payé : aucun paiement n’est dû.",
    ),
    "note.paid_from_credit": (
        "Paid in full from prepaid credit: no payment is due.",
        "Vollständig aus Guthaben bezahlt: Es ist nichts zu zahlen.",
        "Entièrement payé par le crédit prépayé : aucun paiement n’est dû.",
    ),
    "note.credit_is_usd": (
        "One credit is one US dollar.",
        "Ein Credit entspricht einem US-Dollar.",
        "Un crédit vaut un dollar américain.",
    ),
    "note.not_an_invoice": (
        "This is not an invoice.",
        "Dies ist keine Rechnung.",
        "Ceci n’est pas une facture.",
    ),
    "note.reconciled": (
        "The receipts of this period sum to these amounts, to the nano-dollar.",
        "Die Belege dieses Zeitraums ergeben in der Summe diese Beträge, auf den Nanodollar genau.",
        "La somme des reçus de la période donne ces montants, au nanodollar près.",
    ),
    "note.carried": (
        "Cash is in whole cents; parts of a cent are carried from month to month, none is lost.",
        "Berechnet werden ganze Cent; Bruchteile wandern in den nächsten Monat.",
        "Les montants dus sont en centimes entiers ; les fractions sont reportées de mois en mois.",
    ),
    "note.mirrors": (
        "The original document stands corrected by this amount.",
        "Das ursprüngliche Dokument wird um diesen Betrag korrigiert.",
        "Le document d’origine est rectifié de ce montant.",
    ),
    "note.vat_within": (
        "The price includes VAT, computed on the document’s total and rounded half up to the cent.",
        "Der Preis enthält Umsatzsteuer, aus der Gesamtsumme berechnet und kaufmännisch gerundet.",
        "La TVA est comprise dans le prix ; elle est calculée sur le total et arrondie au centime.",
    ),
    "note.vat_on_top": (
        "VAT was computed on the total at payment.",
        "Die Umsatzsteuer wurde bei Zahlung auf die Gesamtsumme berechnet.",
        "La TVA a été calculée sur le total lors du paiement.",
    ),
    "note.days_are_utc": (
        "Days and months end at midnight UTC.",
        "Tage und Monate enden um Mitternacht UTC.",
        "Les jours et les mois se terminent à minuit UTC.",
    ),
    # Months, as dates need them
    "month.1": ("January", "Januar", "janvier"),
    "month.2": ("February", "Februar", "février"),
    "month.3": ("March", "März", "mars"),
    "month.4": ("April", "April", "avril"),
    "month.5": ("May", "Mai", "mai"),
    "month.6": ("June", "Juni", "juin"),
    "month.7": ("July", "Juli", "juillet"),
    "month.8": ("August", "August", "août"),
    "month.9": ("September", "September", "septembre"),
    "month.10": ("October", "Oktober", "octobre"),
    "month.11": ("November", "November", "novembre"),
    "month.12": ("December", "Dezember", "décembre"),
    "form.date": ("{day} {month} {year}", "{day}. {month} {year}", "{day} {month} {year}"),
    "form.groups": (",", ".", "\u202f"),
    "form.point": (".", ",", ","),
    "form.percent": ("{}%", "{}\u00a0%", "{}\u00a0%"),
}


class Words:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._at = LANGUAGES.index(language)

    def __call__(self, key: str) -> str:
        """Return the words of a key."""
        return _TABLE[key][self._at]

    def of(self, key: str, country: str) -> str:
        """Return the words of a key as a country has them, else as most do."""
        own = f"{key}.{territory(country)}"
        return self(own if own in _TABLE else key)

    def date(self, iso: str) -> str:
        """Return an ISO date as it is written."""
        year, month, day = iso.split("-")
        form = self("form.date")
        name = self(f"month.{int(month)}")
        return form.format(day=_ordinal(int(day), self.language), month=name, year=year)

    def count(self, number: int) -> str:
        """Return a whole number with its thousands apart."""
        return f"{number:,}".replace(",", self("form.groups"))

    def cents(self, cents: int, currency: str = "USD") -> str:
        """Return cash, such as `1,234.50 USD`."""
        return f"{self._amount(cents, 2)}\u00a0{currency}"

    def nusd(self, nusd: int) -> str:
        """Return dollars with all nine decimals."""
        return self._amount(nusd, 9)

    def percent(self, rate_bp: int) -> str:
        """Return a rate, such as `8.1%`."""
        whole, rest = divmod(rate_bp, 100)
        decimals = f"{rest:02d}".rstrip("0")
        number = f"{whole}{self('form.point') * bool(decimals)}{decimals}"
        return self("form.percent").format(number)

    def _amount(self, value: int, decimals: int) -> str:
        sign = "\u2212" if value < 0 else ""
        whole, rest = divmod(abs(value), 10**decimals)
        return f"{sign}{self.count(whole)}{self('form.point')}{rest:0{decimals}d}"


def _ordinal(day: int, language: str) -> str:
    return "1er" if language == "fr" and day == 1 else str(day)


def keys() -> Mapping[str, tuple[str, str, str]]:
    """Return the whole table, for the test that none lacks a language."""
    return _TABLE
