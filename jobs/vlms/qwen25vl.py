"""Qwen2.5-VL 7B, the paper's vision-language model, held to the form of its replies.

- propose and score are greedy; the wording of a prompt is drawn by the sample's seed.
- A reply that cannot be read is asked for once more, greedily; then it is `Unparsable`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jobs.vlms import Judged, Unparsable, Vlm, Wish, questions, replies
from pipeline.cards import Card
from pipeline.config import Asking, Config
from pipeline.documents import Objects, Prompt, Score
from pipeline.held import held
from pipeline.records import ToPropose

if TYPE_CHECKING:
    from jobs.vlms.constrain import Vocabulary
    from jobs.vlms.grammar import Automaton

CARD = Card(
    title="Qwen2.5-VL 7B",
    image="editor",
    gpu_gib=32,
    repos=("Qwen/Qwen2.5-VL-7B-Instruct",),
    licence="Apache-2.0",
    pflop=0.032,
    note=(
        "Replies are held to a grammar while they are written; the weights alone take 16 GiB. "
        "`pflop`: from the layers' sizes, a picture of 1024 px and a short reply; that a reply is "
        "written word by word, so that a GPU waits for its memory, is not in it."
    ),
)

Answer = TypeVar("Answer", Objects, Prompt, Score)


@dataclass(frozen=True, slots=True)
class Question:
    """A chat that ends with the user's turn, the form of the reply, and the seed of its draws."""

    chat: questions.Chat
    form: Automaton
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Qwen:
    """Implements `jobs.vlms.Vlm`."""

    net: Any
    processor: Any
    words: Vocabulary
    settings: Asking
    model: str

    def propose(self, items: Sequence[ToPropose]) -> list[Objects | Unparsable]:
        """See `Vlm`."""
        most, side = self.settings.max_objects, self.settings.side
        asked = [Question(questions.propose(item.image, most, side), replies.proposal(most))
                 for item in items]  # fmt: skip
        return self._ask(asked, [lambda reply: replies.objects(reply, most)] * len(asked), 0)

    def prompt(self, items: Sequence[Wish]) -> list[Prompt | Unparsable]:
        """See `Vlm`."""
        side = self.settings.side
        asked = [
            Question(questions.prompt(wish, side), replies.wording(wish.edit), wish.seed)
            for wish in items
        ]
        return self._ask(asked, [_reader(wish) for wish in items], self.settings.temperature)

    def score(self, items: Sequence[Judged]) -> list[Score | Unparsable]:
        """See `Vlm`. The whole picture is judged, as in the paper: the mask is not shown."""
        side = self.settings.side
        asked = [Question(questions.score(item, side), replies.rating()) for item in items]
        return self._ask(asked, [replies.score] * len(asked), 0)

    def _ask(
        self,
        asked: Sequence[Question],
        read: Sequence[Callable[[str], Answer | Unparsable]],
        temperature: float,
    ) -> list[Answer | Unparsable]:
        """An answer for each question; those without a readable one are asked again, once."""
        first = self._replies(asked, temperature)
        found = [reader(reply) for reader, reply in zip(read, first, strict=True)]
        failed = [i for i, answer in enumerate(found) if isinstance(answer, Unparsable)]
        retried = [Question(questions.again(asked[i].chat), asked[i].form) for i in failed]
        for i, reply in zip(failed, self._replies(retried, 0), strict=True):
            answer = read[i](reply)
            unread = isinstance(answer, Unparsable)
            found[i] = Unparsable((first[i], reply)) if unread else answer
        return found

    def _replies(self, asked: Sequence[Question], temperature: float) -> list[str]:
        """What the model writes, all questions in one batch, in halves where the device is too
        small for it."""
        from jobs.faults import in_batches

        def some(rows: range) -> list[str]:
            return self._written([asked[i] for i in rows], temperature)

        return in_batches(some, len(asked), len(asked))

    def _written(self, asked: Sequence[Question], temperature: float) -> list[str]:
        """One batch; "" where the model's numbers are not finite, since the grammar would make an
        answer even of those."""
        import torch

        from jobs.vlms.constrain import Constraint

        inputs = self.processor.apply_chat_template(
            [question.chat for question in asked], add_generation_prompt=True, tokenize=True,
            return_dict=True, return_tensors="pt", processor_kwargs={"padding": True},
        ).to(self.net.device)  # fmt: skip
        forms, seeds = [one.form for one in asked], [one.seed for one in asked]
        held = Constraint(self.words, forms, seeds, temperature)
        with torch.inference_mode():
            made = self.net.generate(
                **inputs, logits_processor=[held],
                max_new_tokens=1 + max(form.longest for form in forms),
            )  # fmt: skip
        texts = self.processor.batch_decode(
            made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )  # fmt: skip
        return ["" if broken else text for text, broken in zip(texts, held.broken, strict=True)]


def _reader(wish: Wish) -> Callable[[str], Prompt | Unparsable]:
    return lambda reply: replies.prompt(reply, wish.edit, wish.region.name)


def load(config: Config) -> Vlm:
    """Read the weights below the config's folder (tiny ones are built there)."""
    from transformers import (
        AutoProcessor,
        GenerationConfig,
        Qwen2_5_VLForConditionalGeneration,
    )

    from jobs.editors import Settings
    from jobs.editors.weights import folders, hush, reading
    from jobs.vlms.constrain import Vocabulary

    hush()
    how = config.editing
    root = Path(how.folder).expanduser()
    if how.weights == "tiny":
        from jobs.tiny.cache import ensure

        root = ensure("qwen25vl", root)
    (folder,) = folders(root, CARD)
    # Refuses what is not locked, before it is read.
    with held([folder, questions.TEMPLATES, questions.EXAMPLES]) as (checked, model):
        path = checked / folder.name
        processor = AutoProcessor.from_pretrained(path, local_files_only=True)
        processor.tokenizer.padding_side = "left"
        net = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            path, **reading(Settings(how.device, how.dtype))
        )
    net.eval().requires_grad_(False).to(how.device)
    # Not the checkpoint's own: it would draw, and penalise the quotes that JSON repeats.
    words = processor.tokenizer
    net.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id
    )
    vocabulary = Vocabulary(words, net.get_output_embeddings().out_features)
    return Qwen(net, processor, vocabulary, config.asking, model)
