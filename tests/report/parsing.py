"""The page as a browser's parser sees it: its elements, its visible text, its scripts."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr", "source", "wbr", "base", "embed"}
RAW = {"script", "style"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """Every element in order, with the text directly and indirectly inside it."""

    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)
    visible: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop().tag != tag:
            continue

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data
        if not any(element.tag in RAW for element in self.open):
            self.visible.append(data)

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    @property
    def visible_text(self) -> str:
        return "".join(self.visible)


def parse(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page
