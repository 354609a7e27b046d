"""The study's words in both languages, and facts as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from providers.gap.model import Cell, Lang, Level, State
from providers.profile_spec import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.gap.answer import Quote
    from providers.profile_read import FactValue

__all__ = [
    "MARKS",
    "WORDS",
    "colon",
    "kind_of",
    "level_word",
    "mark_of",
    "quote_line",
    "state_words",
    "status_word",
    "value_words",
]

WORDS: Final[Mapping[Lang, Mapping[str, str]]] = {
    "en": {
        "met": "met",
        "unestablished": "met, not established",
        "met-by-us": "met by this project",
        "missing": "missing",
        "unknown": "unknown",
        "must": "must",
        "should": "should",
        "yes": "yes",
        "no": "no",
        "absent": "the profile does not say",
        "not-found": "looked for, not found",
        "expired": "expired",
        "not-yet-valid": "not yet valid",
        "note": "note",
        "text": "the text",
        "copy": "a copy",
        "owner": "the platform itself",
        "press": "press",
        "interpretation": "our reading",
        "summary": "Offers: {offers}, needs: {needs}, certificates valid on {day}",
        "rule": "What no fact says is unknown, and unknown is never yes. Not established: "
        "only press or memory says so; for a certificate, no official list and no document of the operator's was read, "
        "or its end is not known.",
        "legend": "+ met   ~ met, not established   o met by this project   - missing   ? unknown",
        "ranking": "The least to close first; {points} for each step S, M, L that is open, unknown as much as "
        "missing: an order, not an estimate.",
        "offer": "offer",
        "musts": "musts",
        "shoulds": "shoulds",
        "to-close": "To close, the smallest effort first",
        "nothing-open": "Nothing is open.",
        "ours": "this project",
        "ours-if": "this project, once the offer is known to have what that needs",
        "planned": "planned, closes nothing yet",
        "limits": "limits",
        "find-out": "find out; if it is missing,",
        "effort": "effort",
        "weight": "weight of what is open: musts + shoulds",
        "title": "gap study",
    },
    "fr": {
        "met": "satisfait",
        "unestablished": "satisfait, non établi",
        "met-by-us": "satisfait par ce projet",
        "missing": "manquant",
        "unknown": "inconnu",
        "must": "requis",
        "should": "souhaité",
        "yes": "oui",
        "no": "non",
        "absent": "le profil n'en dit rien",
        "not-found": "cherché, non trouvé",
        "expired": "expiré",
        "not-yet-valid": "pas encore valable",
        "note": "note",
        "text": "le texte",
        "copy": "une copie",
        "owner": "la plateforme elle-même",
        "press": "presse",
        "interpretation": "notre lecture",
        "summary": "Offres : {offers}, besoins : {needs}, certificats valables au {day}",
        "rule": "Ce qu'aucun fait ne dit est inconnu, et l'inconnu n'est jamais un oui. Non établi : "
        "seule la presse ou la mémoire le dit ; pour un certificat, aucune liste officielle ni aucun document de "
        "l'opérateur n'a été lu, ou sa fin n'est pas connue.",
        "legend": "+ satisfait   ~ satisfait, non établi   o par ce projet   - manquant   ? inconnu",
        "ranking": "Le moins à combler d'abord ; {points} pour chaque pas S, M, L ouvert, l'inconnu autant que le "
        "manquant : un ordre, pas une estimation.",
        "offer": "offre",
        "musts": "requis",
        "shoulds": "souhaités",
        "to-close": "À combler, le moindre effort d'abord",
        "nothing-open": "Rien n'est ouvert.",
        "ours": "ce projet",
        "ours-if": "ce projet, une fois établi que l'offre a ce qu'il y faut",
        "planned": "prévu, ne comble encore rien",
        "limits": "limites",
        "find-out": "se renseigner ; si cela manque,",
        "effort": "effort",
        "weight": "poids de ce qui est ouvert : requis + souhaités",
        "title": "étude d'écarts",
    },
}

MARKS: Final[Mapping[str, str]] = {
    "met": "+",
    "unestablished": "~",
    "met-by-us": "o",
    "missing": "-",
    "unknown": "?",
}

_STATUSES_FR: Final[Mapping[Status, str]] = {
    Status.OFFICIAL: "officiel",
    Status.OPERATOR: "opérateur",
    Status.MEASURED: "mesuré",
    Status.VENDOR: "fournisseur",
    Status.PRESS: "presse",
    Status.MEMORY: "mémoire",
    Status.NOT_FOUND: "non trouvé",
}


def colon(lang: Lang) -> str:
    """What stands between a name and what is said of it."""
    return " : " if lang == "fr" else ": "


def kind_of(cell: Cell) -> str:
    """The cell's state, with what is not established told apart: a key of ``MARKS`` and ``WORDS``."""
    return "unestablished" if cell.state is State.MET and not cell.established else cell.state.value


def mark_of(cell: Cell) -> str:
    """One character for the cell."""
    return MARKS[kind_of(cell)]


def state_words(cell: Cell, lang: Lang) -> str:
    """The cell's state in words, with the weakest status it rests on."""
    words = WORDS[lang][kind_of(cell)]
    return words if cell.grade is None else f"{words} ({status_word(cell.grade, lang)})"


def status_word(status: Status, lang: Lang) -> str:
    """How well a fact is known."""
    return _STATUSES_FR[status] if lang == "fr" else status.value.replace("_", " ")


def level_word(level: Level, lang: Lang) -> str:
    """How much something is needed."""
    return WORDS[lang][level.value]


def value_words(value: FactValue | None, lang: Lang) -> str:
    """A fact's value as people read it."""
    if value is None:
        return WORDS[lang]["not-found"]
    if isinstance(value, bool):
        return WORDS[lang]["yes" if value else "no"]
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value) or "-"
    return str(value)


def quote_line(quote: Quote, lang: Lang) -> str:
    """A fact as a line: what is said of what, how well it is known, when and where."""
    words = WORDS[lang]
    name = quote.name if quote.service is None else f"{quote.name} ({quote.service})"
    if quote.fact is None:
        return f"{name}{colon(lang)}{words['absent']}"
    fact = quote.fact
    line = f"{name} = {value_words(fact.value, lang)} [{status_word(fact.status, lang)}, {fact.date}] {fact.source}"
    if quote.remark:
        line += f"; {words[quote.remark]}"
    return f"{line}; {words['note']}{colon(lang)}{fact.note}" if fact.note else line
