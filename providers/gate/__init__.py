"""The gate: do dated facts answer the rules that apply to a dataset on its way to a place?

``evaluate`` is pure: a question, rules as data, a day; out comes a verdict whose every reason names its rule, the
rule's source and the facts it was read from. The rules lie in ``rules/*.toml``, the page ``providers/docs/gate.md``
is made from them. What no official text and no document of the operator establishes is not established: unknown is
never "yes". Nothing here is legal advice, and no output says more than which facts were found.
"""

from __future__ import annotations

from providers.gate.derogations import (
    DEROGATION_TYPE,
    Derogation,
    DerogationRefused,
    read_derogation,
    sign_derogation,
)
from providers.gate.judge import evaluate
from providers.gate.rules import Rule, load_rules
from providers.gate.terms import (
    CAVEAT,
    Answer,
    Consequence,
    DatasetClass,
    FactUsed,
    Gap,
    Outcome,
    Place,
    Question,
    Reason,
    RuleStatus,
    Verdict,
)

__all__ = [
    "CAVEAT",
    "DEROGATION_TYPE",
    "Answer",
    "Consequence",
    "DatasetClass",
    "Derogation",
    "DerogationRefused",
    "FactUsed",
    "Gap",
    "Outcome",
    "Place",
    "Question",
    "Reason",
    "Rule",
    "RuleStatus",
    "Verdict",
    "evaluate",
    "load_rules",
    "read_derogation",
    "sign_derogation",
]
