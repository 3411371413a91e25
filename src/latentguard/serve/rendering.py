"""Where prompts are rendered: one thread beside the event loop, and what it has learned of their length."""

from concurrent.futures import ThreadPoolExecutor

FORGETS = 0.05
"""Weight of a new request in what is known of its like."""


class Rendering:
    """One thread: templates are Python, and more of them would take turns with each other and with the event
    loop, which then answers nobody for as long."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="latentguard-rendering")
        self._tokens_a_character = 0.25

    def tokens(self, characters: int, prompts: int) -> int:
        """About how many tokens such prompts will have to run."""
        return max(int(characters * self._tokens_a_character), prompts)

    def learn(self, characters: int, tokens: int) -> None:
        """Prompts of so many characters have had so many tokens to run."""
        if characters:
            self._tokens_a_character += FORGETS * (tokens / characters - self._tokens_a_character)
