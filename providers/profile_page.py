"""A page for people about each profile, and one that compares them: pure functions from facts to Markdown.

The pages lie in ``providers/docs`` and are written by ``scripts/regenerate``. They repeat facts with their
status, source and date, and judge nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from providers.profile import list_profiles, load_profile
from providers.profile_spec import SECTIONS, SERVICES, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from providers.profile import Profile
    from providers.profile_read import Fact

__all__ = ["index", "page", "pages"]

_HOW: Final = (
    "Beside each answer stands how well it is known: official, operator, measured, vendor, press or memory. A "
    "certificate belongs to a service, and only official facts establish it, or those of an operator who holds "
    "the document."
)
_CELLS: Final = (
    "A word says that there is such a product, and how well that is known; `none` that there is none; `?` that it "
    "was not found."
)
_ACTIVITIES: Final = (
    "HDS activities: 1 sites, 2 hardware, 3 virtual infrastructure, 4 application platform, 5 administration and "
    "operation, 6 backup (Public Health Code, article R.1111-9)."
)
_UNKNOWN: Final = "not found"
_SILENT: Final = "not stated"
_KINDS: Final = {"hds": "HDS", "secnumcloud": "SecNumCloud"}
_TITLES: Final = {
    "law": "Law",
    "endpoint": "Endpoint",
    "keys": "Keys",
    "services": "Services",
    "iac": "Packages",
    "operations": "Running there",
    "limits": "Limits",
    "quirks": "Quirks of the object store",
}
_LABELS: Final = {
    "hq_country": "seat",
    "non_eu_control": "controlled from outside the European Union",
    "exposure": "exposure to law from outside the European Union",
    "gpu": "GPU",
    "kms": "key service",
    "hsm": "HSM",
    "managed_postgresql": "managed PostgreSQL",
    "hds": "HDS",
    "secnumcloud": "SecNumCloud",
    "byok": "import of one's own keys",
    "sse_c": "encryption with a key sent by the client (SSE-C)",
    "sse_kms": "encryption with keys of the key service (SSE-KMS)",
    "volume_cmk": "customer's keys on block volumes",
    "also": "further packages",
}
_BYTES: Final = frozenset({"max_object", "max_put", "min_part", "max_part"})
_UNITS: Final = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


class _Sources:
    """Numbers the sources of a page in the order they are first quoted."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, fact: Fact) -> int:
        text = fact.source
        if fact.document is not None:
            text = f"{text} (read by {fact.by}; {fact.document})"
        return self._numbers.setdefault(text, len(self._numbers) + 1)

    def lines(self) -> Iterator[str]:
        for text, number in self._numbers.items():
            head, _, rest = text.partition(" ")
            shown = f"<{head}>{' ' if rest else ''}{rest}" if head.startswith("https://") else text
            yield f"{number}. {shown}"


def page(profile: Profile) -> str:
    """What is known of one offer, each statement with its status, date and source."""
    sources = _Sources()
    lines = [
        f"# {profile.title}",
        "",
        f"Made by `scripts/regenerate` from the profile `{profile.name}`; edit that instead.",
        "",
        _summary(profile),
    ]
    lines += _section(_TITLES["law"], profile.law, sources)
    lines += _certificates(profile, sources)
    lines += _regions(profile, sources)
    for name in _TITLES:
        if name != "law":
            lines += _section(_TITLES[name], getattr(profile, name), sources)
    return "\n".join([*lines, "", "## Sources", "", *sources.lines(), ""])


def index(profiles: Iterable[Profile]) -> str:
    """The offers and programs side by side: law, certificates, regions, packages, services."""
    known = sorted(profiles, key=lambda profile: profile.name)
    offers = [profile for profile in known if profile.kind == "offer"]
    newest = max((fact.date for profile in known for fact in profile.facts().values()), default="")
    lines = [
        "# Providers compared",
        "",
        "Made by `scripts/regenerate` from `providers/profiles`; edit those instead.",
        "",
        f"Newest fact: {newest}. {_HOW}",
        "",
        "## Offers",
        "",
        "| offer | protocol | seat | control from outside the EU | HDS | SecNumCloud | regions | packages |",
        "|---|---|---|---|---|---|---|---|",
        *(_offer_row(profile) for profile in offers),
        "",
        "## Services of the offers",
        "",
        _CELLS,
        "",
        f"| service | {' | '.join(f'[{profile.name}]({profile.name}.md)' for profile in offers)} |",
        f"|---|{'---|' * len(offers)}",
        *(_service_row(service, offers) for service in SERVICES),
        "",
        "## Programs",
        "",
        "| program | protocol | SHA-256 verified | create if absent | complete if absent | object lock |",
        "|---|---|---|---|---|---|",
        *(_program_row(profile) for profile in known if profile.kind != "offer"),
        "",
    ]
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """File name → text of every page of ``providers/docs`` that is made from the profiles that ship."""
    profiles = [load_profile(name) for name in list_profiles()]
    return {"index.md": index(profiles)} | {f"{profile.name}.md": page(profile) for profile in profiles}


def _summary(profile: Profile) -> str:
    counts = Counter(fact.status for fact in profile.facts().values())
    told = ", ".join(f"{counts[status]} {status.replace('_', ' ')}" for status in Status if counts[status])
    what = "An offer" if profile.kind == "offer" else "A program"
    return f"{what} that speaks `{profile.protocol}`. Facts: {told or 'none yet'}."


def _section(title: str, facts: Mapping[str, Fact], sources: _Sources, *, level: int = 2) -> list[str]:
    if not facts:
        return []
    return [
        "",
        f"{'#' * level} {title}",
        "",
        "| fact | value | known | source | note |",
        "|---|---|---|---:|---|",
        *(_row(name, fact, sources) for name, fact in facts.items()),
    ]


def _row(name: str, fact: Fact, sources: _Sources) -> str:
    known = f"{'looked for' if fact.value is None else fact.status}, {fact.date}"
    cells = (_label(name), _value(name, fact), known, str(sources.number(fact)), _cell(fact.note or ""))
    return f"| {' | '.join(cells)} |"


def _certificates(profile: Profile, sources: _Sources) -> list[str]:
    if not profile.certificates:
        return []
    lines = ["", "## Certificates and qualifications, per service", "", _ACTIVITIES]
    for held in profile.certificates:
        lines += _section(f"{held.service}: {_KINDS[held.kind]}", held.facts, sources, level=3)
    return lines


def _regions(profile: Profile, sources: _Sources) -> list[str]:
    if not profile.regions:
        return []
    lines = ["", "## Regions"]
    for name, facts in profile.regions.items():
        lines += _section(f"`{name}`", facts, sources, level=3)
    return lines


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _value(name: str, fact: Fact) -> str:
    value = fact.value
    if value is None:
        return _UNKNOWN
    if isinstance(value, bool):
        return "none" if name in {*SERVICES, *SECTIONS["iac"]} else _yes(value=value)
    if isinstance(value, int):
        return _amount(name, value)
    if isinstance(value, tuple):
        return _cell("; ".join(map(str, value))) or "none"
    return _cell(value)


def _amount(name: str, value: int) -> str:
    if name in _BYTES:
        for unit, size in _UNITS:
            if value >= size and value % size == 0:
                return f"{value // size:,} {unit}"
        return f"{value:,} bytes"
    return f"{value:,}"


def _yes(*, value: bool) -> str:
    return "yes" if value else "no"


def _cell(text: str) -> str:
    """Text that cannot leave its table cell, nor be taken for markup."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _answer(fact: Fact | None) -> str:
    """A yes-or-no fact in a few words."""
    if fact is None:
        return _SILENT
    return _UNKNOWN if fact.value is None else f"{_yes(value=bool(fact.value))} ({fact.status})"


def _offer_row(profile: Profile) -> str:
    seat = profile.law.get("hq_country")
    packages = [
        str(fact.value) for name in ("pulumi", "terraform") if (fact := profile.iac.get(name)) and fact.value
    ]
    cells = (
        f"[{profile.name}]({profile.name}.md)",
        profile.protocol,
        _SILENT if seat is None else str(seat.value or _UNKNOWN),
        _answer(profile.law.get("non_eu_control")),
        _held(profile, "hds"),
        _held(profile, "secnumcloud"),
        ", ".join(profile.regions) or _SILENT,
        ", ".join(packages) or "none known",
    )
    return f"| {' | '.join(cells)} |"


def _held(profile: Profile, kind: str) -> str:
    told = [f"{_cell(held.service)}: {_answer(held.held)}" for held in profile.certificate(kind)]
    return "; ".join(told) or _SILENT


def _service_row(service: str, offers: Iterable[Profile]) -> str:
    cells = [_label(service)]
    for profile in offers:
        fact = profile.services.get(service)
        if fact is None or fact.value is None:
            cells.append("?")
        else:
            cells.append("none" if fact.value is False else str(fact.status))
    return f"| {' | '.join(cells)} |"


def _program_row(profile: Profile) -> str:
    asked = ("verifies_sha256", "put_if_absent", "complete_if_absent", "object_lock")
    cells = (f"[{profile.name}]({profile.name}.md)", profile.protocol)
    return f"| {' | '.join([*cells, *(_answer(profile.quirks.get(name)) for name in asked)])} |"
