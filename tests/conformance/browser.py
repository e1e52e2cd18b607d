"""A browser of little wit that does what the suite's ``browser`` configuration says.

It keeps cookies, follows redirects, finds fields and buttons by the selectors of the configuration,
loads frames, and of scripts runs those that post an answer or go on after a sign-out, where the
page's policy lets them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlencode
from urllib.parse import urljoin
from urllib.parse import urlsplit

import requests
from lxml import html as lxml_html  # type: ignore[import-untyped]

FORM = "application/x-www-form-urlencoded"
ARRIVED = "<html><body><p id='submission_complete'>done</p></body></html>"


@dataclass(frozen=True)
class Landing:
    """What the suite receives at one of its own addresses."""

    method: str
    url: str
    content_type: str = ""
    body: str = field(default="", repr=False)

    @property
    def path(self) -> str:
        """Which of its addresses it is."""
        return urlsplit(self.url).path

    @property
    def query(self) -> str:
        """All that came in the address."""
        return urlsplit(self.url).query

    @property
    def parameters(self) -> dict[str, str]:
        """What it was told, each thing once."""
        fragment = urlsplit(self.url).fragment
        told = self.body if self.method == "POST" else fragment or self.query
        pairs = parse_qsl(told, True, strict_parsing=True)
        assert len(dict(pairs)) == len(pairs), f"a parameter came twice: {sorted(pairs)}"
        return dict(pairs)


class Browser:
    """One cookie jar; ``screens`` keeps the text of each page that is evidence of a module."""

    def __init__(self, ca_file: Path, suite: str, entries: Sequence[dict[str, Any]]) -> None:
        self._http = requests.Session()
        self._http.verify = str(ca_file)
        self._http.trust_env = False
        self._suite = suite
        self._entries = entries
        self._uses = [0] * len(entries)
        self.screens: list[str] = []
        self.tasks: list[str] = []
        self.frames: list[Landing] = []
        self.url = ""
        self.status = 0
        self.policy = ""
        self.landed: Landing | None = None
        self.document: Any = None

    def close(self) -> None:
        """Forget everything."""
        self._http.close()

    def visit(self, url: str, method: str = "GET") -> Landing | None:
        """Visit an address and do what the first entry that fits says; give what the suite got."""
        entry = self._entry_for(url)
        self.tasks = []
        if method == "POST":
            address, _, query = url.partition("?")
            self._open("POST", address, query)
        else:
            self._open("GET", url)
        for task in entry["tasks"]:
            if not fits(task.get("match", "*"), self.url):
                assert task.get("optional"), f"{task['task']}: the browser is at {self.url}"
                continue
            self.tasks.append(task["task"])
            for command in task.get("commands", []):
                self._do(command)
        return self.landed

    @property
    def text(self) -> str:
        """What a person reads on the page."""
        document = lxml_html.fromstring(lxml_html.tostring(self.document))
        for hidden in document.xpath("//script|//style"):
            hidden.drop_tree()
        return re.sub(r"\s+", " ", str(document.text_content()))

    def _entry_for(self, url: str) -> dict[str, Any]:
        for number, entry in enumerate(self._entries):
            if fits(entry["match"], url) and self._uses[number] < entry.get("match-limit", 1000):
                self._uses[number] += 1
                return entry
        raise AssertionError(f"no entry of the configuration is for {url}")

    def _open(self, method: str, url: str, body: str = "") -> None:
        for _ in range(20):
            self.url = url
            if url.startswith(self._suite):
                content_type = FORM if method == "POST" else ""
                self.landed = Landing(method, url, content_type, body)
                self.document = lxml_html.fromstring(ARRIVED)
                return
            headers = {"Accept": "text/html"}
            if method == "POST":
                headers |= {"Content-Type": FORM, "Origin": _origin(url)}
            answer = self._http.request(
                method, url, data=body or None, headers=headers, allow_redirects=False, timeout=20
            )
            if answer.is_redirect:
                method, url, body = "GET", urljoin(url, answer.headers["Location"]), ""
                continue
            self.landed = None
            self.status = answer.status_code
            self.policy = answer.headers["Content-Security-Policy"]
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            self.document = lxml_html.fromstring(answer.text)
            self._load_frames()
            self._run_scripts()
            return
        raise AssertionError("twenty redirects lead nowhere")

    def _run_scripts(self) -> None:
        sources = self.document.xpath("//script/@src")
        if any("/form-post.js" in source for source in sources):
            (form,) = self.document.xpath("//form[@id='form-post']")
            assert "script-src 'self'" in self.policy
            assert _origin(form.get("action")) in self.policy.partition("form-action")[2]
            self._submit(form, None)
        if any("/logging-out.js" in source for source in sources):
            (onward,) = self.document.xpath("//a[@id='logging-out-continue']/@href")
            self._open("GET", onward)

    def _load_frames(self) -> None:
        for address in self.document.xpath("//iframe/@src"):
            assert _origin(address) in self.policy.partition("frame-src")[2].partition(";")[0]
            assert address.startswith(self._suite)
            self.frames.append(Landing("GET", address))

    def _submit(self, form: Any, button: Any) -> None:
        fields = list(form.form_values())
        if button is not None and button.get("name"):
            fields.append((button.get("name"), button.get("value", "")))
        action = urljoin(self.url, form.get("action"))
        assert form.get("enctype", FORM) == FORM
        assert form.method == "POST"
        self._open("POST", action, urlencode(fields))

    def _do(self, command: list[Any]) -> None:
        what, kind, target, *rest = command
        if what == "wait" and kind == "contains":
            assert target in self.url
            return
        found = self._find(kind, target)
        if not found:
            assert "optional" in rest, f"nothing is {kind} {target} at {self.url}"
            return
        if what == "text":
            found[0].set("value", rest[0])
        elif what == "click":
            self._click(found[0])
        else:
            assert what == "wait"
            self._look(rest[1:])

    def _look(self, rest: list[str]) -> None:
        if rest:
            assert re.search(rest[0], self.text), f"{rest[0]!r} is not on {self.url}: {self.text}"
        if rest[1:] == ["update-image-placeholder"]:
            self.screens.append(self.text)

    def _click(self, element: Any) -> None:
        if element.get("type") == "radio":
            for other in self.document.xpath("//input[@name=$name]", name=element.get("name")):
                other.attrib.pop("checked", None)
            element.set("checked", "checked")
            return
        assert element.get("type") == "submit"
        self._submit(element.xpath("ancestor::form")[0], element)

    def _find(self, kind: str, target: str) -> list[Any]:
        if kind in ("id", "name", "class"):
            found: list[Any] = self.document.xpath(f"//*[@{kind}=$target]", target=target)
            return found
        return list(
            self.document.cssselect(target) if kind == "css" else self.document.xpath(target)
        )


def fits(pattern: str, url: str) -> bool:
    """Tell whether an address fits a pattern whose stars stand for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), url) is not None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
