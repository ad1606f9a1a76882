"""The page as a file: whole in itself, and names are never read as HTML or as a script."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hybridnet import jit, np
from hybridnet.explain import page
from hybridnet.explain.description import describe
from hybridnet.explain.page import SCRIPTS, page_text
from hybridnet.gluon import nn

FOLDER = Path(page.__file__).parent / "page"
NAMES = ["</script><script>alert(1)</script>", "<!--", "a & b", "\"quoted\" and 'quoted'", "{{script}}", "\u2028", "日本"]


class Tags(HTMLParser):
    """The tags of a page, with their attributes; and the text of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and data.strip():
            self.scripts.append(data)


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    return tags


def description(name: str = "step") -> dict[str, Any]:
    return describe(jit(lambda x: np.tanh(x) * 2, name=name)._compilation((np.ones((2, 3)),), {}, False))


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text(name: str) -> None:
    net = nn.Dense(2, in_units=3, prefix=f"{name}_")
    net.initialize()
    found = describe(net._jit()._compilation((np.ones((2, 3)),), {}, False))
    tags = parsed(page_text(found))
    plain = [tag for tag, _ in parsed(page_text(description())).tags]
    assert [tag for tag, _ in tags.tags] == plain
    assert len(tags.scripts) == 2
    assert json.loads(tags.scripts[0])["name"] == name


def test_what_no_encoding_has_is_shown_as_a_question() -> None:
    text = page_text({**description(), "name": "half \ud800 of a letter"})
    assert json.loads(parsed(text).scripts[0])["name"] == "half ? of a letter"
    assert "<title>half ? of a letter" in text


def test_the_description_stands_in_it_as_it_is() -> None:
    found = description()
    assert json.loads(parsed(page_text(found)).scripts[0]) == json.loads(json.dumps(found))


def test_it_asks_nothing_of_the_network() -> None:
    text = page_text(description())
    assert not [attrs for _, attrs in parsed(text).tags if {"src", "href", "srcset", "data", "action"} & attrs.keys()]
    code = text.split("</script>", 1)[1]
    assert set(re.findall(r"\w+://[^\"'\s)]*", text)) == {"http://www.w3.org/2000/svg"}, "the name of a namespace, which is not fetched"
    assert not re.findall(
        r"\bimport\b|@import|url\((?!#)|fetch\(|XMLHttpRequest|WebSocket|sendBeacon", code + text.split("<style>")[1].split("</style>")[0]
    )
    (policy,) = (attrs["content"] for tag, attrs in parsed(text).tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none';")


def test_every_part_of_the_page_is_in_it() -> None:
    assert {p.name for p in FOLDER.iterdir()} == {*SCRIPTS, "page.html", "page.css"}
    text = page_text(description())
    for name in (*SCRIPTS, "page.css"):
        assert (FOLDER / name).read_text(encoding="utf-8").strip() in text


def test_scripts_make_text_of_names_alone() -> None:
    """What could turn a name into HTML is not used."""
    for name in SCRIPTS:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), name
