"""The pages ``providers/docs/gap.md`` and ``providers/docs/fr/gap.md`` with their pictures.

Made from what ships with this package, so that the same profiles give the same bytes: certificates have to be
valid on the day of the newest fact, not on the day of the making.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from providers.gap.blueprint import list_blueprints, load_blueprint
from providers.gap.model import POINTS, Lang, Level, Need, Row, State, Study
from providers.gap.picture import to_svg
from providers.gap.study import offers, study
from providers.gap.words import MARKS, WORDS, colon, level_word, mark_of
from providers.profile import list_profiles, load_profile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["gap_pages"]

_FOLDER: Final[Mapping[Lang, Path]] = {"en": Path("providers/docs"), "fr": Path("providers/docs/fr")}
_ORDER: Final = ("hdh-interim", "hdh-target", "eds-hospital", "eds-federated")
_PHRASES: Final[Mapping[Lang, Mapping[str, str]]] = {
    "en": {
        "title": "Gap study",
        "made": "Made by `scripts/regenerate` from `providers/gap` and `providers/profiles`; edit those instead. "
        "En français : [fr/gap.md](fr/gap.md).",
        "intro": "In early 2023 the State had three European clouds assessed for a health data platform; the list "
        "of what they lacked was not published. This page makes such a study repeatable: needs are data with "
        "their public sources, what offers have is dated facts, and anyone can correct either and run "
        "`havre providers gap --blueprint NAME` again. It is no opinion on any offer and no legal advice: it says "
        "what the facts at hand say, and how well they are known.",
        "marks": "Marks",
        "planned": "What this project brings stands in a table of its own below; what it only plans closes "
        "nothing.",
        "brings": "What this project brings",
        "brings-head": "| need | what | state | limits |",
        "exists": "exists",
        "matrix": "Needs and offers",
        "open": "What is open, by effort",
        "open-head": "| offer | S (days) | M (weeks) | L (months, or another offer) | musts | shoulds |",
        "nobody": "Not established for any offer: {needs}.",
        "needs": "Where the needs come from",
        "needs-head": "| need | level | why | basis | sources |",
        "need": "need",
        "picture": "{title}: needs by offers",
        "as-read": "text",
        "sources": "Sources of the needs",
        "sources-head": "| source | read in | date |",
    },
    "fr": {
        "title": "Étude d'écarts",
        "made": "Écrite par `scripts/regenerate` à partir de `providers/gap` et de `providers/profiles` ; c'est là "
        "qu'on la corrige. In English: [gap.md](../gap.md).",
        "intro": "Début 2023, l'État a fait évaluer trois clouds européens pour une plateforme de données de "
        "santé ; la liste de ce qui leur manquait n'a pas été publiée. Cette page rend une telle étude "
        "répétable : les besoins sont des données avec leurs sources publiques, ce qu'ont les offres des faits "
        "datés, et chacun peut corriger les uns ou les autres et relancer `havre providers gap --blueprint NOM`. "
        "Elle n'est ni un avis sur une offre ni un conseil juridique : elle dit ce que disent les faits "
        "disponibles, et combien ils sont sûrs.",
        "marks": "Signes",
        "planned": "Ce que ce projet apporte figure dans un tableau à part ci-dessous ; ce qu'il prévoit "
        "seulement ne comble rien.",
        "brings": "Ce que ce projet apporte",
        "brings-head": "| besoin | quoi | état | limites |",
        "exists": "existe",
        "matrix": "Besoins et offres",
        "open": "Ce qui est ouvert, par effort",
        "open-head": "| offre | S (jours) | M (semaines) | L (mois, ou une autre offre) | requis | souhaités |",
        "nobody": "Établi pour aucune offre : {needs}.",
        "needs": "D'où viennent les besoins",
        "needs-head": "| besoin | niveau | pourquoi | fondement | sources |",
        "need": "besoin",
        "picture": "{title} : besoins par offres",
        "as-read": "texte",
        "sources": "Sources des besoins",
        "sources-head": "| source | lue dans | date |",
    },
}


def gap_pages() -> dict[Path, str]:
    """Every page and picture, by its path from the root of the repository."""
    known = list_blueprints()
    names = [name for name in _ORDER if name in known] + [name for name in known if name not in _ORDER]
    profiles = offers(load_profile(name) for name in list_profiles())
    studies = [study(load_blueprint(name), profiles) for name in names]
    pages: dict[Path, str] = {}
    for lang, folder in _FOLDER.items():
        pages[folder / "gap.md"] = "\n".join(_lines(studies, lang)) + "\n"
        for one in studies:
            pages[folder / "gap" / f"{one.blueprint.name}.svg"] = to_svg(one, lang)
    return pages


def _lines(studies: Sequence[Study], lang: Lang) -> Iterator[str]:
    words, phrases = WORDS[lang], _PHRASES[lang]
    yield from (f"# {phrases['title']}", "", phrases["made"], "", phrases["intro"], "")
    yield from (f"## {phrases['marks']}", "", "| | |", "|---|---|")
    yield from (f"| `{mark}` | {words[kind]} |" for kind, mark in MARKS.items())
    yield from ("", words["rule"], "", phrases["planned"])
    for one in studies:
        yield ""
        yield from _study(one, lang)
    yield ""
    yield from _brings(studies, lang)
    yield ""
    yield from _sources(studies, lang)


def _study(one: Study, lang: Lang) -> Iterator[str]:
    words, phrases, blueprint = WORDS[lang], _PHRASES[lang], one.blueprint
    title = blueprint.title.get(lang)
    yield from (f"## {title}", "", f"`{blueprint.name}`. {blueprint.about.get(lang)}", "")
    yield words["summary"].format(offers=len(one.rows), needs=len(blueprint.needs), day=one.as_of) + "."
    yield ""
    yield f"![{phrases['picture'].format(title=title)}](gap/{blueprint.name}.svg)"
    yield from ("", f"### {phrases['matrix']}{colon(lang)}{blueprint.name}", "")
    yield f"| {phrases['need']} | | {' | '.join(row.name for row in one.rows)} |"
    yield f"|---|---|{':-:|' * len(one.rows)}"
    for position, need in enumerate(blueprint.needs):
        marks = " | ".join(f"`{mark_of(row.cells[position])}`" for row in one.rows)
        yield f"| {need.capability.label.get(lang)} | {level_word(need.level, lang)} | {marks} |"
    nobody = [need.capability.label.get(lang) for need in blueprint.needs if not _anybody(one, need)]
    if nobody:
        yield from ("", phrases["nobody"].format(needs=", ".join(nobody)))
    yield from ("", f"### {phrases['open']}{colon(lang)}{blueprint.name}", "")
    yield words["ranking"].format(points=", ".join(str(points) for points in POINTS.values()))
    yield from ("", phrases["open-head"], "|---|---|---|---|---:|---:|")
    yield from (_open(row, lang) for row in one.rows)
    yield from ("", f"### {phrases['needs']}{colon(lang)}{blueprint.name}", "")
    yield from (phrases["needs-head"], "|---|---|---|---|---|")
    for need in blueprint.needs:
        basis = phrases["as-read"] if need.basis.value == "text" else words["interpretation"]
        named = ", ".join(f"[{source.name}]({source.url})" for source in need.sources)
        cells = (
            need.capability.label.get(lang),
            level_word(need.level, lang),
            need.why.get(lang),
            basis,
            named,
        )
        yield f"| {' | '.join(_cell(text) for text in cells)} |"


def _anybody(one: Study, need: Need) -> bool:
    closing = {State.MET, State.MET_BY_US}
    cells = [row.cell(need.name) for row in one.rows]
    return any(cell.state in closing and cell.established for cell in cells)


def _open(row: Row, lang: Lang) -> str:
    steps = {
        step: ", ".join(
            f"{cell.need.capability.label.get(lang)} `{mark_of(cell)}`"
            for cell in row.gaps
            if cell.effort is not None and cell.effort.step == step
        )
        for step in POINTS
    }
    cells = (row.name, *steps.values(), str(row.points(Level.MUST)), str(row.points(Level.SHOULD)))
    return f"| {' | '.join(_cell(text) for text in cells)} |"


def _brings(studies: Sequence[Study], lang: Lang) -> Iterator[str]:
    words, phrases = WORDS[lang], _PHRASES[lang]
    yield from (f"## {phrases['brings']}", "", phrases["brings-head"], "|---|---|---|---|")
    seen = {need.name: need.capability for one in studies for need in one.blueprint.needs}
    for capability in sorted(seen.values(), key=lambda one: one.ours is None or one.ours.where is None):
        ours = capability.ours
        if ours is None:
            continue
        state = words["planned"] if ours.where is None else f"{phrases['exists']}{colon(lang)}`{ours.where}`"
        limits = "" if ours.limits is None else ours.limits.get(lang)
        yield f"| {capability.label.get(lang)} | {ours.what.get(lang)} | {state} | {limits} |"


def _sources(studies: Sequence[Study], lang: Lang) -> Iterator[str]:
    words, phrases = WORDS[lang], _PHRASES[lang]
    yield from (f"## {phrases['sources']}", "", phrases["sources-head"], "|---|---|---|")
    seen = {source.name: source for one in studies for source in one.blueprint.sources}
    for source in sorted(seen.values(), key=lambda one: one.name):
        text = f"`{source.name}`{colon(lang)}[{source.text.get(lang)}]({source.url})"
        yield f"| {_cell(text)} | {words[source.status]} | {source.date} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
