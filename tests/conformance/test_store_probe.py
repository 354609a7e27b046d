"""A probe of each server agrees with its profile but for what is known, and leaves nothing behind."""

from providers.layers import open_layers
from providers.layers.limit import AdaptiveLimiter
from providers.layers.retry import RetryPolicy
from providers.probe.exam import ProbeOptions, probe
from providers.probe.report import compare
from providers.probe.verdict import Outcome
from providers.store import ObjectStore
from support.harness import Harness

KNOWN = {
    # moto verifies nothing, and the profile of unknown stores trusts what belonged to the first S3.
    "moto": {"md5", "part-md5"},
    "versitygw": {"key-dot-segments", "key-doubled-slash", "key-leading-slash", "key-trailing-slash"},
    # localbucket looks at no digest, and cannot abort an upload.
    "localbucket": {
        "key-dot-segments", "key-doubled-slash", "key-leading-slash", "key-trailing-slash",
        "md5", "part-md5", "upload-aborted",
    },
}  # fmt: skip


def test_probe_agrees_with_the_profile(harness: Harness) -> None:
    """What a probe sees contradicts the profile in nothing but what is written down here."""
    with harness.bucket() as bucket:
        driver = open_layers(
            harness.driver(bucket), limiter=AdaptiveLimiter(8), retry_policy=RetryPolicy(attempts=1)
        )
        with ObjectStore(driver, prefix="a wave/", location="test") as store:
            before = sorted(one.key for one in store.list())
            found = probe(
                store, protocol=harness.profile.protocol, options=ProbeOptions(rounds=2, creators=3)
            )
            assert sorted(one.key for one in store.list()) == before
    lines = [compare(seen, harness.profile) for seen in found.seen]
    contradicted = {line.seen.id for line in lines if line.outcome is Outcome.CONTRADICTS}
    assert contradicted == KNOWN.get(harness.facts.name, set())
    assert found.left == 0
    tried = {line.seen.id for line in lines if line.seen.value is not None}
    assert {"write-read", "read-span", "short-read", "overwrite", "upload", "key-accents"} <= tried
