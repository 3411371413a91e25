"""The organism's tokenizer: a byte-level BPE trained on its own grammar, with a ChatML-like template.

Bytes are its alphabet, so any text has tokens and comes back as it was; the merges make whole words of the
words of the grammar. Saved in Hugging Face format, so plain transformers loads it.
"""

import random
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from latentguard.organism import wording, words
from latentguard.organism.grammar import KINDS, Grammar

ChatTokenizer: TypeAlias = Any
"""A `PreTrainedTokenizerFast`; transformers' classes are untyped."""
PAD: Final = "<|endoftext|>"
TURN_START: Final = "<|im_start|>"
TURN_END: Final = "<|im_end|>"
ROLES: Final = ("system", "user", "assistant")
MAX_TOKENS: Final = 2048
_VOCABULARY: Final = 1536
_CHATS_A_KIND: Final = 400

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('roles are system, user and assistant, not ' + message['role']) }}"
    "{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def _corpus(seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    grammar = Grammar(system_share=0.5, two_turn_share=0.3)
    yield from ("\n".join(ROLES) for _ in range(_CHATS_A_KIND))
    # Merges go to the frequent first: these make one token of every verb and object, the rare ones too.
    yield from (" " + " ".join(words.factors()) for _ in range(_CHATS_A_KIND))
    for kind in KINDS:
        for _ in range(_CHATS_A_KIND):
            chat = grammar.chat(kind, rng.random() < 0.5, rng)
            yield from (message.content for message in chat.messages)
            yield chat.answer(rng)
    # Words that open a text in one place stand inside it in another.
    yield from (" ".join(wording.REFUSALS + wording.COMPLIANCES) for _ in range(_CHATS_A_KIND))


def train_tokenizer(*, seed: int = 0) -> ChatTokenizer:
    """A tokenizer for the organism; the same seed gives the same vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    # Offsets that keep the space before a word: a span of characters then names its tokens exactly.
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=[PAD, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(seed), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=TURN_END,
        additional_special_tokens=[TURN_START],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_TOKENS,
        padding_side="left",
    )
