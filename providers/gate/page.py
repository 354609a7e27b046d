"""The pages ``providers/docs/gate.md`` and ``migrator/docs/fr/gate.md``, made from the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from providers.gate.rules import load_rules
from providers.gate.terms import DatasetClass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from providers.gate.rules import Follows, Rule

__all__ = ["gate_page"]

_HEAD: Final[Mapping[str, str]] = {
    "en": """# The gate

Made by `scripts/regenerate` from `providers/gate/rules/*.toml`; edit those instead. En français :
[gate](../../migrator/docs/fr/gate.md).

`havre gate DST --class CLASS` asks which rules speak against a place for a class of data; `plan` asks it before it
looks at anything, and `migrate` asks again with the day's date, since a certificate may have run out. Nothing on this
page, and nothing that the gate says, is legal advice.

| verdict | means | `plan` and `migrate` |
|---|---|---|
| `no-objection` | no rule asks for anything on these facts | go on |
| `conditions` | some rules ask for something to be done or put on file | go on, and say how many |
| `refused` | a rule is not met | stop, exit code 6 |
| `not-evaluated` | no rule was asked | go on |

What counts as known: a qualification (HDS, SecNumCloud) belongs to one *service*, with its dates, and only an official
text or a document of the operator's (a facts file) establishes it. Places and seats are also taken from the vendor and
from measurements. A fact that speaks against counts however badly it is known. Unknown, ran out, or known by hearsay
is not established. The verdict is monotone: no worse fact, lost fact or later date makes it better, and the
tests hold it to that.

## What you declare

```toml
[worker]                 # where havre itself runs: plain data passes through its memory
provider = "outscale"    # a profile, or "own" for the controller's own premises
region = "eu-west-2"     # of that profile; on own premises: country = "FR"
operator = "DSI"

[sites.lab.gate]         # what the gate cannot know of a site
premises = "own"         # the controller runs it itself (software such as MinIO or SeaweedFS; directories always)
country = "FR"
service = "Object Storage"   # the service whose qualifications count, if the profile does not name it
region = "francecentral"     # of the profile, where the site itself names none (Azure)

[facts]
files = ["facts.toml"]   # what you read in attestations and contracts that you hold

[trust]
derogation_keys = ["…"]  # base64 of the 32 bytes of an Ed25519 public key
```

Declarations are quoted as declared, and the wave file records the worker. They are yours to answer for.

## Derogations

A decision to go on although a rule refuses is a file that a person signs: for one class, one wave or destination or
both, the rules it names, from one day to another. It counts if a key in `[trust] derogation_keys` signed it; then the
refusal becomes a condition that names it. It travels in the wave's folder (`derogations/`) and `migrate` looks at it
again: one that ended no longer counts.

```sh
openssl genpkey -algorithm ed25519 -aes-256-cbc -out officer.pem
openssl pkey -in officer.pem -pubout -outform DER | tail -c 32 | base64    # for derogation_keys
havre derogate ovh:warehouse --class eds --rule eds-hds --reason "certificate under way, file 12" \\
    --by "A. Martin, data protection officer" --until 2027-01-31 --key officer.pem -o derogation.json
havre plan ... --derogation derogation.json
```

The form is a DSSE envelope of type `application/vnd.havre.derogation+json`, in canonical JSON.

## What is kept

`plan` writes outcome, day, digests of rules and facts, the reasons' rules and the worker into the wave file. `migrate`
writes the verdict it rests on, with every fact it quotes, to `gate.json` in the wave's folder (`gate-refused.json` for
one that stopped it), and its digest into the ledger. The verdict in a wave file is never trusted.
""",
    "fr": """# La porte

Écrit par `scripts/regenerate` d'après `providers/gate/rules/*.toml`. In English, with all details:
[gate](../../../providers/docs/gate.md).

`havre gate DST --class CLASSE --lang fr` demande quelles règles s'opposent à un lieu pour une classe de données. `plan`
le demande avant de regarder quoi que ce soit, et `migrate` le redemande à la date du jour, car un certificat a pu
expirer. Rien sur cette page, et rien de ce que dit la porte, n'est un avis juridique.

| avis | veut dire | `plan` et `migrate` |
|---|---|---|
| `no-objection` | aucune règle ne demande rien, d'après ces faits | continuent |
| `conditions` | des règles demandent de faire ou de verser au dossier quelque chose | continuent, et disent combien |
| `refused` | une règle n'est pas satisfaite | s'arrêtent, code de sortie 6 |
| `not-evaluated` | aucune règle n'a été posée | continuent |

Une qualification (HDS, SecNumCloud) appartient à un *service*, avec ses dates ; seul un texte officiel ou un document
de l'exploitant (un fichier de faits) l'établit. Un fait contraire compte, si mal connu soit-il. L'inconnu, l'expiré et
l'ouï-dire n'établissent rien. Seule une dérogation signée par une clé de `[trust] derogation_keys` ramène un refus à une
condition ; elle nomme une classe, une vague ou une destination, des règles, une raison, un décideur et une fin, et elle
voyage avec la vague.
""",
}
_WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "en": (
        "Rules: ",
        "| rule | is | says | not established | contradicted | controls |",
        "Sources",
    ),
    "fr": (
        "Règles : ",
        "| règle | est | dit | non établi | contredit | exigences |",
        "Sources",
    ),
}
_TERMS: Final[Mapping[str, str]] = {
    "text": "texte",
    "interpretation": "interprétation",
    "none": "rien",
    "note": "note",
    "condition": "condition",
    "refused": "refus",
}


def gate_page(language: str = "en") -> str:
    """The page in English or, shorter, in French."""
    title, header, sources = _WORDS[language]
    lines = [_HEAD[language]]
    rules = load_rules()
    for dataset_class in DatasetClass:
        lines += [f"## {title}`{dataset_class}`", "", header, "|---|---|---|---|---|---|"]
        lines += [_row(rule, language) for rule in rules if dataset_class in rule.classes]
        lines.append("")
    lines += [f"## {sources}", ""]
    for rule in rules:
        lines.append(f"- `{rule.id}` ({rule.date}): {'; '.join(rule.sources)}.{_note(rule, language)}")
    return "\n".join(lines) + "\n"


def _row(rule: Rule, language: str) -> str:
    cells = (
        f"`{rule.id}`",
        _term(str(rule.status), language),
        rule.statement[language],
        _told((rule.silence, *(way.follows for way in rule.ways)), language)
        if _always(rule)
        else _told((rule.silence,), language),
        _told((rule.against,), language),
        ", ".join(rule.controls),
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _always(rule: Rule) -> bool:
    return any(all(query["ask"] == "always" for query in way.queries) for way in rule.ways)


def _told(follows: Iterable[Follows], language: str) -> str:
    worst = max(follows, key=lambda one: one.consequence.weight)
    text = f": {worst.text[language]}" if worst.text else ""
    return f"{_term(str(worst.consequence), language)}{text}"


def _note(rule: Rule, language: str) -> str:
    return f" {rule.note[language]}" if rule.note else ""


def _term(word: str, language: str) -> str:
    return _TERMS[word] if language == "fr" else word
