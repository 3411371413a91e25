"""Where prompts are rendered: one thread beside the event loop, and what it has learned of their length."""

from concurrent.futures import ThreadPoolExecutor

FORGETS = 0.05
"""Weight of a new request in what is known of its like."""
MOST = 0.5
"""Tokens a character, or a byte, that are ever expected: by what some clients send, others are not refused
before they are rendered and measured."""


class Rendering:
    """One thread: templates are Python, and more of them would take turns with each other and with the event
    loop, which then answers nobody for as long."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="latentguard-rendering")
        self._tokens_a_character = self._tokens_a_byte = 0.25

    def tokens(self, characters: int, prompts: int) -> int:
        """About how many tokens such prompts will have to run."""
        return max(int(characters * self._tokens_a_character), prompts)

    def tokens_of_body(self, size: int) -> int:
        """About how many tokens the prompts in a body of so many bytes will have to run."""
        return max(int(size * self._tokens_a_byte), 1)

    def learn(self, characters: int, tokens: int, *, size: int | None = None) -> None:
        """Prompts of so many characters, in a body of so many bytes, have had so many tokens to run."""
        if characters:
            self._tokens_a_character += FORGETS * (min(tokens / characters, MOST) - self._tokens_a_character)
        if size:
            self._tokens_a_byte += FORGETS * (min(tokens / size, MOST) - self._tokens_a_byte)
