"""The API behind the console's log-in (B-90, E11, E14): who may ask what, what viewers do not see, and each answer held
against the OpenAPI document."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests
from jsonschema import Draft202012Validator

from runner.sandbox.exchange import Sandbox
from runner.service.masking import MASK
from runner.web.answers import ANSWERS, BODIES, QUERIES
from runner.web.api import api_routes
from tests.console.corp import directory
from tests.console.stage import ANN, BOB, PASSWORD, Stage, acts
from tests.e2e.served import Served
from tests.support import slapd

LINK = f"sandbox/{ANN}/calendar"
PROXY = "  proxies: [127.0.0.1]\n  header: {user: X-User, groups: X-Groups, operators: [ops], viewers: [help-desk]}\n"
WORDS = ("Stand-up with sales", "Northwind", "Offsite")


class Person:
    """Somebody with a session of his own: logged in with a password, named by the proxy, or nobody."""

    def __init__(self, url: str, name: str = "", **headers: str) -> None:
        self.url, self.session = url, requests.Session()
        self.session.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        if name:
            done = self.session.post(f"{url}/login", {"name": name, "password": PASSWORD}, allow_redirects=False)
            assert done.status_code == 303
        if name or headers:
            page = self.session.get(f"{url}/sync").text
            self.csrf = next(iter(re.findall('name="csrf-token" content="([^"]+)"', page)), "")

    def get(self, path: str, **query: str) -> requests.Response:
        return self.session.get(self.url + path, params=query, allow_redirects=False)

    def post(self, path: str, body: object = None, *, csrf: str | None = None) -> requests.Response:
        token = self.csrf if csrf is None else csrf
        return self.session.post(self.url + path, json=body or {}, headers={"X-CSRF-Token": token})


class Document:
    """The API's own description, and what has been held against it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.seen: set[tuple[str, str]] = set()

    def hold(self, method: str, path: str, answer: requests.Response, status: int = 200) -> Any:
        """The answer's body, after it was found as described; a refusal where another status is expected."""
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        operation = self.told["paths"][path][method]
        schema = {"$ref": "#/components/schemas/Refusal"}
        if status == 200:
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": self.told["components"]}).validate(answer.json())
        self.seen.add((method, path))
        return answer.json()


def test_every_route_is_described_and_nothing_else() -> None:
    service: Any = SimpleNamespace(store=None)
    routes = [route for route in api_routes(SimpleNamespace(service=service)) if route.path.startswith("/api/")]  # type: ignore[arg-type]
    found = {
        (method.lower(), route.path.replace(":int}", "}"))
        for route in routes
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert found == set(ANSWERS)
    assert {("post", path) for path in BODIES} | {("get", path) for path in QUERIES} <= found


def test_each_answers_as_described_and_to_whom_it_may(tmp_path: Path) -> None:
    """B-90: viewers read masked and change nothing; operators by password or proxy write, and their names are kept."""
    with Sandbox(password="right") as sandbox, slapd.running() as server:
        for address in (ANN, BOB):
            sandbox.add_mailbox(address)
        stage = Stage(tmp_path, sandbox, service=PROXY)
        stage.operator.ready()
        with Served(directory(stage, server)) as served:
            stage.work(served, evil=False)
            olga, vera = Person(stage.url, "olga"), Person(stage.url, "vera")
            pia = Person(stage.url, X_User="pia", X_Groups="staff, ops")
            hans = Person(stage.url, X_User="hans", X_Groups="help-desk")
            document = Document(olga.get("/api/v1/openapi.json").json())
            for part in document.told["components"]["schemas"].values():
                Draft202012Validator.check_schema(part)
            read = _read(document, olga)
            _refuse(document, stage, read, vera, hans)
            _write(document, read, pia)
            assert document.seen == set(ANSWERS)
            assert {who for who, _, _ in acts(served)} == {"pia"}
            assert sandbox.mails_sent
            assert served.stop() == 0


def _read(document: Document, olga: Person) -> dict[str, str]:
    """Everything that is read, by an operator; where single things were found, for whoever asks again."""

    def got(path: str, where: str = "", **query: str) -> Any:
        paths[where or path] = path
        return document.hold("get", path, olga.get(where or path, **query))

    paths: dict[str, str] = {}
    for path in (path for method, path in ANSWERS if method == "get" and "{" not in path and path != "/api/v1/link"):
        got(path)
    got("/api/v1/link", f"/api/v1/link?name={LINK}")
    got("/api/v1/targets/{name}", "/api/v1/targets/sandbox")
    conflict = got("/api/v1/conflicts")["conflicts"][0]
    got("/api/v1/conflicts/{id}", f"/api/v1/conflicts/{conflict['id']}")
    assert conflict["base"]["title"] == "Stand-up with sales"
    passes = got("/api/v1/runs")["passes"]
    run = next(one["run"] for one in passes if any("." in name for name in one["counts"]))  # one that wrote something
    got("/api/v1/runs/{run}", f"/api/v1/runs/{run}")
    assert got("/api/v1/cubes/{cube}", "/api/v1/cubes/changes?rows=user&columns=operation")["cells"]
    assert got("/api/v1/directories/{name}", "/api/v1/directories/corp")["takes_part"]
    got("/api/v1/asked/{question}", "/api/v1/asked/nothing")
    document.hold("get", "/api/v1/directories/{name}", olga.get("/api/v1/directories/copr"), 400)
    document.hold("get", "/api/v1/queue/{number}", olga.get("/api/v1/queue/4711"), 400)
    document.hold("get", "/api/v1/link", olga.get("/api/v1/link", name="hq/nobody/calendar"), 400)
    return paths


def _refuse(document: Document, stage: Stage, paths: dict[str, str], *viewers: Person) -> None:
    """Nobody reads without a log-in, viewers read masked, and only operators with their token write."""
    nobody, stranger = Person(stage.url), Person(stage.url, X_User="sam", X_Groups="staff")
    olga = Person(stage.url, "olga")
    for where, path in paths.items():
        for one in (nobody, stranger):
            document.hold("get", path, one.get(where), 401)
        for viewer in viewers:
            told = viewer.get(where)
            document.hold("get", path, told)
            assert not [word for word in WORDS if word in told.text], where
    conflicts = viewers[0].get("/api/v1/conflicts").json()["conflicts"]
    assert conflicts[0]["base"]["title"] == MASK
    for path in (path for method, path in ANSWERS if method == "post"):
        where = re.sub(r"\{[^}]+\}", "1", path)
        for viewer in viewers:
            document.hold("post", path, viewer.post(where), 403)
        document.hold("post", path, olga.post(where, csrf=""), 403)
        document.hold("post", path, olga.post(where, csrf=viewers[0].csrf or "guessed"), 403)
    document.seen = {each for each in document.seen if each[0] == "get"}


def _write(document: Document, paths: dict[str, str], pia: Person) -> None:
    """Everything that is changed, each answered as described."""

    def posted(path: str, body: object = None, *, status: int = 200, **where: str) -> Any:
        return document.hold("post", path, pia.post(path.format(**where), body), status)

    [conflict] = pia.get("/api/v1/conflicts?open").json()["conflicts"]
    [mail] = pia.get("/api/v1/mail").json()["mails"]
    assert posted("/api/v1/suspend", {"scope": "link", "name": LINK, "reason": "moves"})["suspended"][0]["by"] == "pia"
    posted("/api/v1/sync", {"links": [LINK]})
    [message] = [one for one in pia.get("/api/v1/queue").json()["messages"] if one["link"] == LINK]
    number = str(message["id"])
    document.hold("get", "/api/v1/queue/{number}", pia.get(f"/api/v1/queue/{number}"))
    posted("/api/v1/queue/{number}/retry", number=number)
    posted("/api/v1/queue/{number}/discard", number=number)
    posted("/api/v1/conflicts/{id}/resolve", {"take": "value", "values": ["title=Stated"]}, id=conflict["id"])
    [aside] = pia.get("/api/v1/quarantine").json()["items"]
    assert posted("/api/v1/quarantine/retry", {"item": aside["key"]})["key"] == aside["key"]
    assert posted("/api/v1/quarantine/drop", {"item": aside["key"][-12:]})["code"] == aside["code"]
    posted("/api/v1/quarantine/drop", {"item": "nobody"}, status=400)
    posted("/api/v1/mail/{id}/drop", id=mail["id"])
    posted("/api/v1/mail/{id}/release", id=mail["id"])
    assert posted("/api/v1/resume", {"scope": "link", "name": LINK})["resumed"] == [LINK]
    posted("/api/v1/apply", {"links": [LINK]})
    posted("/api/v1/mail/{id}/drop", id=mail["id"], status=400)
    posted("/api/v1/plan", {"links": [LINK]})
    shutil.rmtree(Path(posted("/api/v1/state/copy")["path"]).parent)
    posted("/api/v1/candidates/plan", status=400)
    assert posted("/api/v1/explain", {"word": "Stated", "links": [LINK]})["items"]
    assert posted("/api/v1/audit", {"links": [LINK]})["links"][0]["link"] == LINK
    proof = document.hold("get", "/api/v1/link", pia.get("/api/v1/link", name=LINK))["proof"]
    assert proof["finished"]
    run = next(where.removeprefix("/api/v1/runs/") for where, path in paths.items() if path == "/api/v1/runs/{run}")
    posted("/api/v1/undo", {"run": run})
    posted("/api/v1/snapshot", {"way": "send", "links": [LINK]})
    posted("/api/v1/snapshot/stop", {"links": [LINK]}, status=400)
    posted("/api/v1/reset", {"link": LINK})
    posted("/api/v1/ledger/prune", {"days": 30})
    posted("/api/v1/forget", {"link": LINK}, status=400)
    posted("/api/v1/suspend", {"scope": "planet"}, status=400)
