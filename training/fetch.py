"""Put a detector's pretrained encoder into the model hub's cache (HF_HOME), where training, which
has no network, finds it.

    python -m training.fetch --detector deeplabv3plus --config /etc/palimpsest/config.yaml
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline import config
from pipeline.errors import ConfigError, TransientError, guard
from pipeline.stage import Parser


def main(argv: list[str]) -> int:
    parser = Parser(prog="training.fetch", description="fetch an encoder", allow_abbrev=False)
    parser.add_argument("--detector", required=True, help="the name of a detector of the config")
    parser.add_argument("--config", type=Path, required=True, help="the mounted config")
    args = parser.parse_args(argv)
    found = config.read(args.config).detectors.get(args.detector)
    if found is None:
        raise ConfigError(f"--detector {args.detector}: the config has no such detector")
    if found.pretrained:
        from training import detectors

        try:
            detectors.build(args.detector, 2, found.encoder, pretrained=True)
        except OSError as error:  # the hub's own errors and those of the network
            if error.errno is not None:
                raise
            raise TransientError(
                f"the weights of {found.encoder} could not be fetched ({error})"
            ) from None
    print(f"{args.detector}: {found.encoder} is at hand", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
