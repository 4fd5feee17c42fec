"""How the paper's words were read, table by table: our reading, why, what else they could mean.

The sentences stand under the tables of every report; report_notes.py adds what is special in a run.
"""

from __future__ import annotations

from pipeline.config import ProtocolName

ACCURACY = (
    "Accuracy is of all pixels, untouched ones included: of one val set, the paper's rows agree on "
    "a share of edited pixels (about 0.6) only if read so. It could also mean edited pixels alone, "
    "which have a column of their own."
)
MIOU = (
    "mIoU leaves “untouched” out, as the paper says, and is taken from one confusion matrix over "
    "all pictures; the mean over pictures, which it could also mean, has a column of its own."
)
BF1 = (
    "The paper does not name the tolerance of its boundary F1. Ours at 2 px, without “untouched”, "
    "stands beside it, since its bF1 rises at 256 px and falls at 1024 px, as a tolerance in "
    "pixels does and a share of the diagonal does not; the other two columns are the other "
    "readings in use."
)
OVERLAP = "Where edits overlap, the last painter's label counts; the paper does not say which does."
PIXELS = (ACCURACY, MIOU, BF1)
AP = (
    "The paper's “mAP” of a question of two classes is read as the average precision of “edited”; "
    "the mean over both classes, which it could also mean, has a column of its own."
)
SUBSETS = (
    "Pictures of several turns mix families, and the paper does not say what becomes of them: ours "
    "are trained without any sample by a held-out family. The headline (A) takes val samples with "
    "at least one edit by one and ignores pixels of the others; (B) counts every edit, (C) takes "
    "samples by held-out families alone."
)
MIXED = (
    "Pictures of several turns mix families, and the paper does not say what becomes of them: ours "
    "are trained without any sample by a held-out family. The headline (A) takes val samples with "
    "at least one edit by one, (C) those with no other."
)
RESCORED = (
    "All families' detectors are scored on the same sets again; the paper's baseline is that of "
    "all val pictures, and stands beside that set alone."
)
NOTES: dict[ProtocolName, tuple[str, ...]] = {
    "table2": (
        *PIXELS,
        "Binary and semantic detectors are trained apart, as the paper's figure 6 (“-B”, “-S”) "
        "suggests; a binary answer could also be the semantic one with its families merged, and "
        "where that was scored too, it has rows of its own.",
        OVERLAP,
    ),
    "table3": (
        *PIXELS,
        "JPEG is applied to the network's input at its own size, since compression of the stored "
        "picture would mostly vanish when it is shrunk and the paper's drop is deep; the stored "
        "picture is the other reading, and where it was scored, it has rows of its own.",
        "Resizing is read as another size of the network's input, made from the stored picture and "
        "scored at that size, which fits the paper's bF1; shrinking and enlarging again is the "
        "other reading.",
    ),
    "severity": (
        *PIXELS,
        "The paper has no such curves; JPEG 60 and 80 are also in its table 3.",
    ),
    "table4": (
        "The figure is the IoU of the one family, as the paper's “mIoU (SDXL)” is read. Chains are "
        "painted again from that family's first turn on, with the stored masks, prompts and seeds, "
        "and later turns follow by those who painted them; painting over the finished picture "
        "would be the other reading, but puts the variant on top of later edits.",
        "Both rows are scored on the same pictures, and repainted ones do not pass the quality "
        "filter again, which would change that set; the paper does not say whether its did.",
    ),
    "table5": (*PIXELS, SUBSETS, RESCORED),
    "table6": (
        AP,
        "The unedited photographs are split as the samples are and pass through the same crop, "
        "size and encoder; the paper mentions them for training alone, but its false positives "
        "imply that they were scored, too.",
        "Some edited pictures lie on AI-made bases and no unedited one does, so a detector may "
        "tell bases instead of edits; the row of unedited AI-made bases shows whether it does.",
    ),
    "table7": (
        AP, MIXED,
        "As many unedited photographs as edited pictures are scored with each set.",
        RESCORED,
    ),
    "classifiers": (
        "How a map of pixels becomes one score is our choice: the mean of the upper 1 % of the "
        "probabilities, and the share of pixels called edited, which needs a threshold, or at "
        "zero none. The largest probability alone would be another.",
        "The paper's second version has such rows, but its tables could not be had, so none of its "
        "figures is shown.",
    ),
    "turns": (
        *PIXELS,
        "Not in the paper: detectors trained on pictures of one turn against pictures of several, "
        "at the same number of pictures.",
    ),
}  # fmt: skip
TYPO = "The paper's semantic row at 1024 px has 0.168 for both accuracy and mIoU, probably a slip."
BROKEN = (
    "The paper's FCN-8s row is put together from a copy in which its columns had come apart: two "
    "pairs of accuracy and mIoU, then two boundary F1."
)
