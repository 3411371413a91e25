"""Tokenizers and chat templates written for the tests: what real ones do, small enough to check by hand.

`byte_level` knows nothing but bytes and what it merged from a few lines of text, so the bytes of its tokens
add up to the prompt: an account of where every token stands that owes nothing to offsets.
"""

import json
from dataclasses import dataclass
from functools import cache

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = [
    "<s>",
    "</s>",
    "<|im_start|>",
    "<|im_end|>",
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<bos>",
    "<start_of_turn>",
    "<end_of_turn>",
]
NOT_FLAGGED_SPECIAL = ["<think>", "</think>", "<tool_response>", "</tool_response>", "<|fim_prefix|>"]
ORDINARY_ADDED = ["<table>", "    "]

CORPUS = [
    "Write a short poem about the sea. Write it for a friend who has never seen the sea.",
    "How do I bake bread? How do I mend a bicycle tyre? How do I learn to draw?",
    "Name a colour! Name a river, a mountain, and a town in the north.",
    "user assistant system tool model INST",
    *["say it.[/INST] tell me.[/INST] and so on?[/INST] [INST] user"] * 20,
    "a line\nanother line.\n\nA new paragraph.\n\n\nA third one. \n",
]

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_2 = (
    "{% set first = messages[0] %}{% for message in messages %}{% if message.role == 'user' %}<s>[INST] "
    "{% if first.role == 'system' and loop.index0 == 1 %}"
    "<<SYS>>\n{{ first.content }}\n<</SYS>>\n\n{% endif %}"
    "{{ message.content.strip() }}[/INST]"
    "{% elif message.role == 'assistant' %} {{ message.content.strip() }} </s>{% endif %}{% endfor %}"
)
LLAMA_3 = (
    "<|begin_of_text|>{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n"
    "{{ message.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "<bos>{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
THINKING = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}{{ message.content.split('</think>')[-1].lstrip('\\n') }}"
    "{% else %}{{ message.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n"
    "{% else %}<think>\n{% endif %}{% endif %}"
)
TOOLS = (
    "{% for message in messages %}{% if message.role == 'tool' %}<|im_start|>user\n<tool_response>\n"
    "{{ message.content }}\n</tool_response><|im_end|>\n"
    "{% else %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
REPLACES = CHATML.replace("message.content }}", "message.content | replace('<|im_end|>', '') }}")
CAPITALISES = CHATML.replace("message.content }}", "message.content | capitalize }}")
TWICE = CHATML.replace("{{ message.content }}", "{{ message.content }} / {{ message.content }}")
SILENT = CHATML.replace("{{ message.content }}", "...")
SHOUTS = CHATML.replace("message.content }}", "message.content | upper }}")
DATED = "Today is {{ strftime_now('%Y-%m-%d') }}.\n" + CHATML


@dataclass(frozen=True)
class Family:
    """A template, and by hand what stands around the content of a single user turn."""

    name: str
    template: str
    before: str
    after: str
    trims: bool

    def text(self, content: str) -> str:
        """The whole prompt, written without the template."""
        return self.before + self.inserted(content) + self.after

    def inserted(self, content: str) -> str:
        """What the template makes of the content."""
        return content.strip() if self.trims else content


_HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n"
FAMILIES = [
    Family("chatml", CHATML, "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", trims=False),
    Family("llama_2", LLAMA_2, "<s>[INST] ", "[/INST]", trims=True),
    Family(
        "llama_3",
        LLAMA_3,
        "<|begin_of_text|>" + _HEADER.format("user"),
        "<|eot_id|>" + _HEADER.format("assistant"),
        trims=True,
    ),
    Family("gemma", GEMMA, "<bos><start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n", trims=True),
    Family(
        "thinking",
        THINKING,
        "<|im_start|>user\n",
        "<|im_end|>\n<|im_start|>assistant\n<think>\n",
        trims=False,
    ),
]


@cache
def _trained() -> str:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    backend.add_tokens([AddedToken(text, normalized=False) for text in NOT_FLAGGED_SPECIAL + ORDINARY_ADDED])
    return backend.to_str()


def byte_level(template: str | None) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with the markers of several families, and `template`."""
    return _fast(Tokenizer.from_str(_trained()), template)


def token_bytes(tokenizer: PreTrainedTokenizerFast, ids: tuple[int, ...]) -> list[bytes]:
    """What each token of `byte_level` writes: markers their text, others the bytes they were merged from."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    byte_of = {chr(byte): byte for byte in printable}
    byte_of |= {chr(256 + number): byte for number, byte in enumerate(hidden)}
    added = {token: marker.content for token, marker in tokenizer.added_tokens_decoder.items()}
    return [
        added[token].encode() if token in added else bytes(byte_of[sign] for sign in piece)
        for token, piece in zip(ids, tokenizer.convert_ids_to_tokens(list(ids)), strict=True)
    ]


def sentencepiece_like(template: str | None) -> PreTrainedTokenizerFast:
    """Blanks written as "▁", unknown characters as bytes, NFKC first: Llama-2's and Gemma's way."""
    return _fast(Tokenizer.from_str(_trained_with_underscores()), template)


@cache
def _trained_with_underscores() -> str:
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    byte_pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=["<unk>", *SPECIAL, *byte_pieces], show_progress=False
    )
    backend.train_from_iterator(CORPUS, trainer)
    return _without_byte_markers(backend.to_str())


def _without_byte_markers(backend_json: str) -> str:
    """Byte pieces belong to the vocabulary and are no added tokens: `<0x41>` in a text is six characters."""
    parts = json.loads(backend_json)
    parts["added_tokens"] = [
        added for added in parts["added_tokens"] if not added["content"].startswith("<0x")
    ]
    return json.dumps(parts)


def _fast(backend: Tokenizer, template: str | None) -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, name_or_path="tests/tokenizer")
    tokenizer.chat_template = template
    return tokenizer
