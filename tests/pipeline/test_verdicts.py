"""The last line of `palimpsest verify` says what to do, in words that can be typed."""

import pytest

from pipeline.verify import Damage, Verdict, as_text

WHOLE = Verdict(run="my runs/r1", digest="d" * 64, shards=3, bytes=0, pictures=0, damages=(),
                missing=())  # fmt: skip
DAMAGE = Damage(dataset="plan", shard=0, what=("plan shard 00000: is gone",))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, f"verify: whole, dataset digest {'d' * 64}"),
        ({"damages": (DAMAGE,)},
         "verify: damage in 1 shard: `palimpsest repair 'my runs/r1'` makes good what it can"),
        ({"missing": ("plan shard 00000 is not committed",), "digest": ""},
         "verify: not damaged, but incomplete: wait while it is at work, else run it again"),
    ],
)  # fmt: skip
def test_the_last_line_is_the_way_out(changed: dict[str, object], says: str) -> None:
    assert as_text(WHOLE.model_copy(update=changed)).splitlines()[-1] == says
