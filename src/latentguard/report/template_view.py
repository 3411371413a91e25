"""One real prompt as the model sees it: which token is t_inst, which is t_post_inst."""

from latentguard.data import Prompt
from latentguard.lm import LanguageModel
from latentguard.report.schema import TemplateView, Token


def template_view(model: LanguageModel, prompt: Prompt) -> TemplateView:
    """The tokens of `prompt` under the model's own template, each decoded by itself."""
    rendered = model.render(prompt.messages)
    first, stop = rendered.content
    return TemplateView(
        prompt=prompt.text,
        tokens=tuple(
            Token(
                index=index,
                text=model.tokenizer.decode([token], clean_up_tokenization_spaces=False),
                part="content" if first <= index < stop else "template",
            )
            for index, token in enumerate(rendered.ids)
        ),
        t_inst=rendered.t_inst,
        t_post_inst=rendered.t_post_inst,
        boundary=rendered.boundary,
        inserted=rendered.inserted,
    )


def typical(prompts: tuple[Prompt, ...]) -> Prompt:
    """The harmless one-turn prompt of median length: short enough to be read, real enough to be believed."""
    harmless = [prompt for prompt in prompts if prompt.label == "harmless"] or list(prompts)
    plain = [prompt for prompt in harmless if len(prompt.messages) == 1] or harmless
    return sorted(plain, key=lambda prompt: (len(prompt.text), prompt.text))[len(plain) // 2]
