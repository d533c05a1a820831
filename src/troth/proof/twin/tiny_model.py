"""Write a tiny language model that a real llama.cpp loads: a megabyte, no download, no training.

    python -m troth.proof.twin.tiny_model FILE.gguf          (needs numpy and gguf)

The idea: count which word follows which in a short text, take the logarithms as a square table,
and split that table into two thin factors. One becomes the embedding, the other the output matrix
of a llama with a single block whose own contribution is nothing: so the logits after a token are
its row of the table. One attention head is awake: it looks back for the mark that the chat
template writes when tools are offered, and then the model opens a tool call. Tokens, sampling,
grammar, streaming and counts are llama.cpp's own, as with a model of any size.

A row of the embedding has WIDTH numbers: the factors, then ONE (always 1, carries the table's
mean), FILL (makes all rows equally long, so that the norm before the output is a constant),
MARK (only the mark of tools has it) and NOTE (where the head writes that it saw the mark).
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import gguf
import msgspec
import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]

TEXT: Final = """
troth is a gateway . it keeps accounts and not conversations . each call is counted , priced and
charged to the last part of a cent . the wallet pays before the model speaks and the rest goes
back when the answer ends . a receipt tells the tokens , the price and the sum . nothing of the
prompt is written down and nothing of the answer is written down . a key can be revoked at once .
the operator sees numbers and never words . a promise is a file that a program can check . the
tiny model in this demo knows only a few words , but the tokens are real , the stream is real and
the charge is real . ask it again and it will say the same words in another order .
"""
WIDTH: Final = 128
CONTEXT: Final = 8_192
FACTORS: Final = WIDTH - 4
ONE, FILL, MARK, NOTE = range(FACTORS, WIDTH)
HEAD: Final = WIDTH // 2
FEED: Final = 64
NEVER: Final = -14.0
"""The logarithm of a chance that is none."""

CALL, CALL_END, TOOLS, END = "<tool_call>", "</tool_call>", "<|tools|>", "<|im_end|>"
SPACE, NEWLINE = "\u2581", "<0x0A>"
CONTROLS: Final = ("<unk>", "<s>", "</s>", "<|im_start|>", END, TOOLS)
TEMPLATE: Final = """\
{%- if tools -%}
<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}{% if messages[-1].role != 'tool' %}<|tools|>{% endif %}<|im_end|>
{% endif -%}
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] -%}
{{ '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{ '}\\n</tool_call>' }}
{%- endfor -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
"""


class Vocabulary:
    """Tokens in their order, with what the tokenizer wants to know of each."""

    def __init__(self, words: Sequence[str]) -> None:
        self.tokens: list[str] = []
        self.kinds: list[gguf.TokenType] = []
        self.scores: list[float] = []
        self._at: dict[str, int] = {}
        for name in CONTROLS:
            unknown = name == "<unk>"
            self._add(name, gguf.TokenType.UNKNOWN if unknown else gguf.TokenType.CONTROL)
        for byte in range(256):
            self._add(f"<0x{byte:02X}>", gguf.TokenType.BYTE)
        for name in (CALL, CALL_END):
            self._add(name, gguf.TokenType.USER_DEFINED)
        for sign in (SPACE, *map(chr, range(33, 127))):
            self._add(sign, gguf.TokenType.NORMAL, -10.0)
        # The tokenizer joins pairs, so each beginning of a word has to be a token too.
        for word in words:
            for whole in (SPACE + word, word):
                for size in range(1, len(whole) + 1):
                    self._add(whole[:size], gguf.TokenType.NORMAL, size / 10 - 5.0)

    def _add(self, token: str, kind: gguf.TokenType, score: float = 0.0) -> None:
        if token not in self._at:
            self._at[token] = len(self.tokens)
            self.tokens.append(token)
            self.kinds.append(kind)
            self.scores.append(score)

    def __len__(self) -> int:
        return len(self.tokens)

    def at(self, token: str) -> int:
        """Return the number of a token."""
        return self._at[token]

    def said(self, word: str) -> int:
        """Return the number of a word as it stands in a sentence; signs have no space before."""
        return self._at[SPACE + word if word.isalpha() else word]


def read_words(text: str) -> list[str]:
    """Return words and signs in their order."""
    return re.findall(r"[a-z]+|[.,?!]", text.lower())


def likelihoods(vocabulary: Vocabulary, words: Sequence[str]) -> Table:
    """Return the table: the logarithm of how likely each token follows each token."""
    table = np.full((len(vocabulary), len(vocabulary)), NEVER)
    _anything(vocabulary, words, table)
    followers: dict[str, Counter[str]] = {}
    for first, second in zip(words, [*words[1:], words[0]], strict=True):
        followers.setdefault(first, Counter())[second] += 1
    for first, seconds in followers.items():
        total = seconds.total()
        rows = {vocabulary.said(first), vocabulary.at(first)}
        for second, count in seconds.items():
            for row in rows:
                table[row, vocabulary.said(second)] = 1.0 + np.log(count / total)
    table[vocabulary.at("."), vocabulary.at(END)] = -0.2
    for opening in ("<s>", "<|im_start|>", NEWLINE, SPACE):
        table[vocabulary.at(opening), vocabulary.said(words[0])] = 2.0
        table[vocabulary.at(opening), vocabulary.said("the")] = 1.2
    _json(vocabulary, words, table)
    _calls(vocabulary, table)
    return table


def _anything(vocabulary: Vocabulary, words: Sequence[str], table: Table) -> None:
    """Fill what may follow where nothing better is known: common words, JSON's signs, the end."""
    for word, count in Counter(words).items():
        rarely = 1.0 if word.isalpha() else 4.0
        table[:, vocabulary.said(word)] = np.log(count / len(words)) - rarely
    for sign in "{}[]:,0123456789":
        column = table[:, vocabulary.at(sign)]
        np.maximum(column, -9.0, out=column)
    table[:, vocabulary.at('"')] = -8.0
    table[:, vocabulary.at(END)] = -7.0


def _json(vocabulary: Vocabulary, words: Sequence[str], table: Table) -> None:
    """Make strings and numbers short: words without a space are only said inside a string."""
    quote = vocabulary.at('"')
    for word in {word for word in words if word.isalpha()}:
        table[vocabulary.at(word), quote] = 5.0
        table[quote, vocabulary.at(word)] = 1.0
    for sign in ",:}]":
        table[quote, vocabulary.at(sign)] = -3.0
    for digit in "0123456789":
        for sign in ",}]":
            table[vocabulary.at(digit), vocabulary.at(sign)] = 0.5


def _calls(vocabulary: Vocabulary, table: Table) -> None:
    """Let a call of a tool run on to its end; whether it begins is the head's to say."""
    call, newline = vocabulary.at(CALL), vocabulary.at(NEWLINE)
    table[:, call] = -60.0
    table[newline, call] = NEVER
    table[call, newline] = 10.0
    table[vocabulary.at("}"), vocabulary.at(CALL_END)] = 8.0
    for last in (CALL_END, ">"):
        table[vocabulary.at(last), vocabulary.at(END)] = 12.0


class Weights(msgspec.Struct, frozen=True):
    """The matrices that are not random: embedding, output, and the one head."""

    embedding: Table
    output: Table
    query: Table
    key: Table
    value: Table
    written: Table


def fold(vocabulary: Vocabulary, table: Table) -> Weights:
    """Return the weights whose logits are the table, as near as so few factors come."""
    mean = table.mean(axis=0)
    left, strength, right = np.linalg.svd(table - mean, full_matrices=False)
    share = np.sqrt(strength[:FACTORS])
    count = len(vocabulary)
    embedding = np.zeros((count, WIDTH))
    embedding[:, :FACTORS] = left[:, :FACTORS] * share
    embedding[:, ONE] = 1.0
    squares = (embedding**2).sum(axis=1)
    square = float(squares.max()) * 1.01
    embedding[:, FILL] = np.sqrt(square - squares)
    mark = vocabulary.at(TOOLS)
    embedding[mark] = 0.0
    embedding[mark, ONE] = 1.0
    embedding[mark, MARK] = np.sqrt(square - 1.0)
    length = np.sqrt(square)
    shrunk = np.sqrt(WIDTH) / length  # what the norm multiplies every row by
    output = np.zeros((count, WIDTH))
    output[:, :FACTORS] = right[:FACTORS].T * share
    output[:, ONE] = mean
    note = length / 4  # small beside the row, so that the norm after the block hardly changes
    output[vocabulary.at(CALL), NOTE] = 30.0 / note
    return Weights(embedding, output / shrunk, *_head(shrunk, float(embedding[mark, MARK]), note))


def _head(shrunk: float, marked: float, note: float) -> tuple[Table, Table, Table, Table]:
    """Return query, key, value and output of a head that notes a mark anywhere before it."""
    query, key, value, written = (np.zeros((WIDTH, WIDTH)) for _ in range(4))
    still = HEAD - 2  # the position's rotation is slowest in the last pair: none, at this base
    query[still, ONE] = 40.0 / shrunk
    key[still, MARK] = 40.0 / (shrunk * marked)
    value[0, MARK] = 1.0 / (shrunk * marked)
    written[NOTE, 0] = note
    return query, key, value, written


def _describe(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_name("troth-tiny")
    writer.add_description("A table of word pairs folded into one block; for demos and tests.")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(WIDTH // HEAD)
    writer.add_head_count_kv(WIDTH // HEAD)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(1e12)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(vocabulary))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_scores(vocabulary.scores)
    writer.add_token_types(vocabulary.kinds)
    writer.add_unk_token_id(vocabulary.at("<unk>"))
    writer.add_bos_token_id(vocabulary.at("<s>"))
    writer.add_eos_token_id(vocabulary.at(END))
    writer.add_eot_token_id(vocabulary.at(END))
    writer.add_add_bos_token(value=True)
    writer.add_add_space_prefix(value=False)
    writer.add_chat_template(TEMPLATE)


def _add_tensors(writer: gguf.GGUFWriter, weights: Weights) -> None:
    def add(name: str, values: Table) -> None:
        writer.add_tensor(f"{name}.weight", np.ascontiguousarray(values, dtype=np.float32))

    add("token_embd", weights.embedding)
    add("output_norm", np.ones(WIDTH))
    add("output", weights.output)
    add("blk.0.attn_norm", np.ones(WIDTH))
    add("blk.0.attn_q", weights.query)
    add("blk.0.attn_k", weights.key)
    add("blk.0.attn_v", weights.value)
    add("blk.0.attn_output", weights.written)
    add("blk.0.ffn_norm", np.ones(WIDTH))
    add("blk.0.ffn_gate", np.zeros((FEED, WIDTH)))
    add("blk.0.ffn_up", np.zeros((FEED, WIDTH)))
    add("blk.0.ffn_down", np.zeros((WIDTH, FEED)))


def write(path: Path, text: str = TEXT) -> int:
    """Write the model; return how many tokens it knows."""
    words = read_words(text)
    vocabulary = Vocabulary(sorted({word for word in words if word.isalpha()}))
    weights = fold(vocabulary, likelihoods(vocabulary, words))
    unfinished = path.with_suffix(".part")
    writer = gguf.GGUFWriter(unfinished, "llama")
    _describe(writer, vocabulary)
    _add_tensors(writer, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(path)
    return len(vocabulary)


if __name__ == "__main__":
    sys.stdout.write(f"{write(Path(sys.argv[1]))} tokens\n")
