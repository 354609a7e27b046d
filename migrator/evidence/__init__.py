"""Evidence: what a third party can check about a wave, without trusting who made it.

Owns the format on the page ``migrator/docs/evidence-format.md``: writing bundles and proofs from a ledger, and
checking them without one.
"""
