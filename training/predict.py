"""`palimpsest predict MODEL IMAGE...`: who painted which pixel, of any picture.

in    a trained detector, pictures of any size and folders of them
out   a line a picture (with --json a JSON object a line); with --out an overlay and a mask each,
      at the picture's own size: NAME.overlay.png, NAME.mask.png (mask values, 0 = unedited)

A picture that cannot be read, or that ends the process which opens it, costs only itself: the
others are done, and the exit code is 1. While some are looked at, the next one is decoded.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import disk
from pipeline.apart import Apart, Ended
from pipeline.errors import OK
from pipeline.events import clean
from training import trained
from training.predict_pictures import MAX_PIXELS, Broken, Given, given, pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from training.predict_found import Found
    from training.predicting import Predictor

SOME_BROKEN = 1
AT_ONCE = 8
Line = dict[str, object]


def main(args: argparse.Namespace) -> int:
    try:
        return predict(args)
    except BrokenPipeError:  # who read us has seen enough, as `head` does
        return OK


def predict(args: argparse.Namespace) -> int:
    """Exit code 0, or 1 if a picture could not be read."""
    targets = given(args.images, args.out)
    predictor = _predictor(args.model)
    broken: list[tuple[Path, str]] = []
    most = min(AT_ONCE, predictor.at_once(predictor.size))
    with _bar(len(targets)) as done, Apart(pixels) as decoder:
        for some, failed in batches(targets, most, decoder):
            broken += failed
            for line, text in _made(predictor, some, args.out):
                print(json.dumps(line) if args.json else text, flush=True)
            for path, why in failed:
                if args.json:
                    print(json.dumps({"file": str(path), "error": why}), flush=True)
            done(len(some) + len(failed))
    if not broken:
        return OK
    for path, why in broken:
        print(f"palimpsest: {clean(str(path))} was left out: {clean(why, 300)}", file=sys.stderr)
    print(f"palimpsest: {len(broken)} of {len(targets)} pictures could not be read",
          file=sys.stderr)  # fmt: skip
    return SOME_BROKEN


def _predictor(model: str) -> Predictor:
    weights, curve = trained.opened(model)
    import torch

    from training.predicting import Predictor

    return Predictor(weights, curve, "cuda" if torch.cuda.is_available() else "cpu")


Read = list[tuple[Given, "Image.Image"]]


def batches(
    targets: Sequence[Given], most: int, decoder: Apart[[Path], NDArray[np.uint8]]
) -> Iterator[tuple[Read, list[tuple[Path, str]]]]:
    """The pictures, up to `most` at once and fewer where they are large, and those that could not
    be read, with why."""
    some: Read = []
    failed: list[tuple[Path, str]] = []
    held = 0
    for target, answer in zip(targets, decoder.each((one.path,) for one in targets), strict=True):
        picture = _decoded(answer)
        if isinstance(picture, str):
            failed.append((target.path, picture))
            continue
        if some and (len(some) == most or held + picture.width * picture.height > MAX_PIXELS):
            yield some, failed
            some, failed, held = [], [], 0
        some.append((target, picture))
        held += picture.width * picture.height
    yield some, failed


def _decoded(answer: Callable[[], NDArray[np.uint8]]) -> Image.Image | str:
    """A picture, or why there is none."""
    from PIL import Image

    try:
        return Image.fromarray(answer())
    except Ended as ended:
        return f"the process that opened it {ended}"
    except Broken as error:
        return str(error)


def _made(predictor: Predictor, some: Read, out: Path | None) -> Iterator[tuple[Line, str]]:
    """The line of each picture, for programs and for people; files first."""
    from training.predict_found import looked_at, overlay

    if not some:
        return
    results = looked_at(predictor, [picture for _, picture in some])
    for (target, picture), found in zip(some, results, strict=True):
        files: dict[str, str] = {}
        if out is not None and found.mask is not None:
            from PIL import Image

            shown = overlay(picture, found.mask, predictor.task == "binary")
            for kind, image in (("overlay", shown), ("mask", Image.fromarray(found.mask))):
                path = out / target.name.with_name(f"{target.name.name}.{kind}.png")
                buffer = io.BytesIO()
                image.save(buffer, "PNG")
                disk.replace(path, buffer.getvalue())
                files[kind] = str(path)
        yield _line(predictor, target, picture, found, files), _text(predictor, target, found)


def _line(
    predictor: Predictor, target: Given, picture: Image.Image, found: Found, files: dict[str, str]
) -> Line:
    about: Line = {"file": str(target.path), "task": predictor.task, "width": picture.width,
                   "height": picture.height, "confidence": round(found.confidence, 6)}  # fmt: skip
    if predictor.task == "image":
        return about | {"probability": round(found.edited, 6)}
    shares = {name: round(share, 6) for name, share in found.shares.items()}
    return about | {"edited": round(found.edited, 6), "shares": shares} | files


def _text(predictor: Predictor, target: Given, found: Found) -> str:
    name = clean(str(target.path))
    if predictor.task == "image":
        return f"{name}: edited with a probability of {found.edited:.3f}"
    shares = sorted(found.shares.items(), key=lambda item: -item[1])
    who = ", ".join(f"{family} {share:.1%}" for family, share in shares)
    named = f" ({who})" if predictor.task == "semantic" and who else ""
    return f"{name}: {found.edited:.1%} edited{named}, confidence {found.confidence:.3f}"


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """Yields a function to be told how many pictures are done; draws in a terminal only."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("pictures", BarColumn(32), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("pictures", total=total)
        yield lambda count: shown.advance(task, count)
