"""What operators can do from the console: each asks first, says what will happen, and is kept with his name (B-90)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.engine.resolve import find_conflict
from runner.engine.selection import select_links
from runner.model.errors import UsageError
from runner.model.state import Scope
from runner.service.acts import Operator
from runner.service.desk import Desk

Given = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Action:
    """One action. ``asked`` gives the confirmation's words (heading, text, button, danger, fields), ``done`` does it and
    answers what to tell. Either raises ``ExsyncError``."""

    asked: Callable[[Desk, Given], dict[str, Any]]
    done: Callable[[Desk, Operator, Given], str]


def _question(
    heading: str, text: str, button: str, *, danger: bool = False, fields: tuple[tuple[str, str], ...] = ()
) -> dict[str, Any]:
    """``fields``: (name, label) of what the operator may add."""
    return {"heading": heading, "text": text, "button": button, "danger": danger, "fields": fields}


def _links(desk: Desk, given: Given) -> str:
    """What a link or target parameter names, in words."""
    plan = desk.service.generations.current.plan
    name = given.get("link") or given.get("target") or ""
    links = select_links(plan, [name])
    return links[0].name if len(links) == 1 and given.get("link") else f"all {len(links)} links of {name}"


def _name(given: Given) -> str:
    name = given.get("link") or given.get("target")
    if not name:
        raise UsageError("nothing was named: a link or a target")
    return name


def _scope(given: Given) -> tuple[Scope, str]:
    if given.get("link"):
        return Scope.LINK, given["link"]
    if given.get("target"):
        return Scope.TARGET, given["target"]
    return Scope.ALL, ""


def _what(given: Given) -> str:
    scope, name = _scope(given)
    return {Scope.LINK: name, Scope.TARGET: f"target {name}", Scope.ALL: "everything"}[scope]


def _sync_asked(desk: Desk, given: Given) -> dict[str, Any]:
    return _question(
        "Sync now?",
        f"A pass of {_links(desk, given)} goes before everything else. It writes what the next pass would write anyway.",
        "Sync now",
    )


def _sync(desk: Desk, who: Operator, given: Given) -> str:
    asked = desk.sync(who, [_name(given)])["asked"]
    return f"Asked for a pass of {asked[0] if len(asked) == 1 else f'{len(asked)} links'}."


def _suspend_asked(desk: Desk, given: Given) -> dict[str, Any]:
    return _question(
        f"Suspend {_what(given)}?",
        "No pass begins any more until it is resumed, also over restarts. What changes meanwhile is kept and goes out then.",
        "Suspend",
        fields=(("reason", "Why (shown to others)"),),
    )


def _suspend(desk: Desk, who: Operator, given: Given) -> str:
    scope, name = _scope(given)
    desk.suspend(who, scope, name, given.get("reason", "").strip()[:500] or None)
    return f"Suspended {_what(given)}."


def _resume_asked(desk: Desk, given: Given) -> dict[str, Any]:
    text = "Passes run again, and what changed meanwhile goes out."
    if given.get("target"):
        text += " A target whose log-on was refused is tried anew."
    return _question(f"Resume {_what(given)}?", text, "Resume")


def _resume(desk: Desk, who: Operator, given: Given) -> str:
    scope, name = _scope(given)
    desk.resume(who, scope, name)
    return f"Resumed {_what(given)}."


def _reset_asked(desk: Desk, given: Given) -> dict[str, Any]:
    return _question(
        "Reset the folder's state?",
        f"{given.get('link', '')}: how far both sides have been read is forgotten, and the next pass reads everything anew. "
        "Pairs, conflicts and quarantine stay; nothing is deleted. It waits until no pass runs.",
        "Reset",
        danger=True,
    )


def _reset(desk: Desk, who: Operator, given: Given) -> str:
    if not given.get("link"):
        raise UsageError("a folder's state is reset link by link")
    done = desk.reset(who, given["link"])["reset"]
    return f"Reset {done[0]}: its next pass reads everything anew."


def _halt_asked(desk: Desk, given: Given) -> dict[str, Any]:
    return _question(
        "Stop the snapshot?",
        f"{_links(desk, given)}: what it has written stays, what it has not come to is left as it is. Undoing its run takes "
        "back what it wrote.",
        "Stop",
        danger=True,
    )


def _halt(desk: Desk, who: Operator, given: Given) -> str:
    plan = desk.service.generations.current.plan
    return f"Stopped the snapshot of {', '.join(desk.service.underway.stop(who, plan, [_name(given)]))}."


def _message(given: Given) -> int:
    text = given.get("message", "")
    if not text.isdecimal() or len(text) > 18:
        raise UsageError("no message of the queue was named")
    return int(text)


def _retry_asked(desk: Desk, given: Given) -> dict[str, Any]:
    told = desk.message(_message(given))
    return _question(
        "Retry the message?", f"{told['link']} is tried again at once. It failed: {told['reason']}", "Retry"
    )


def _retry(desk: Desk, who: Operator, given: Given) -> str:
    return f"{desk.retry(who, _message(given))['link']} is tried again."


def _discard_asked(desk: Desk, given: Given) -> dict[str, Any]:
    told = desk.message(_message(given))
    return _question(
        "Discard the message?",
        f"{told['link']}: the wish for this pass is given up. What changed stays marked and goes with the link's next pass.",
        "Discard",
        danger=True,
    )


def _discard(desk: Desk, who: Operator, given: Given) -> str:
    return f"Discarded the message of {desk.discard(who, _message(given))['link']}."


_TAKES = {
    "crm": "both sides get the CRM's value of now",
    "target": "both sides get the target's value of now",
    "restore": "both sides get the value that lost",
    "value": "both sides get the value that you state",
}


def _resolve_asked(desk: Desk, given: Given) -> dict[str, Any]:
    conflict = find_conflict(desk.service.store, given.get("conflict", ""))
    take = given.get("take", "")
    if take not in _TAKES:
        raise UsageError("nothing says which value to take")
    names = sorted({name for side in (conflict.crm, conflict.target) for name in side or {}})
    fields = tuple((f"value.{name}", name) for name in names) if take == "value" else ()
    return _question(
        f"Resolve {conflict.field or 'edit against delete'}?",
        f"{conflict.link}: {_TAKES[take]}, with the link's next pass.",
        "Resolve",
        fields=fields,
    )


def _resolve(desk: Desk, who: Operator, given: Given) -> str:
    take = given.get("take", "")
    values = tuple(
        f"{name.removeprefix('value.')}={value}" for name, value in given.items() if name.startswith("value.")
    )
    told = desk.settle_conflict(who, given.get("conflict", ""), take, values if take == "value" else ())
    return f"Decided on {told['field'] or 'edit against delete'}; the next pass carries it out."


def _mail_asked(word: str, text: str, *, danger: bool) -> Callable[[Desk, Given], dict[str, Any]]:
    def asked(desk: Desk, given: Given) -> dict[str, Any]:
        found = [one for one in desk.mails(everything=False)["mails"] if one["id"] == given.get("mail")]
        if not found:
            raise UsageError("that mail is not held any more")
        told = found[0]
        people = f"{told['addressees']} {'person' if told['addressees'] == 1 else 'people'}"
        heading = f"{word.capitalize()} this {told['kind']} to {people}?"
        return _question(heading, text.format(user=told["user"], people=people), word.capitalize(), danger=danger)

    return asked


def _mail_done(word: str) -> Callable[[Desk, Operator, Given], str]:
    def done(desk: Desk, who: Operator, given: Given) -> str:
        told = desk.settle_mail(who, given.get("mail", ""), word)
        return (
            f"{'Released' if word == 'release' else 'Dropped'} a mail of {told['user']}; the next pass carries it out."
        )

    return done


def _reload_asked(desk: Desk, given: Given) -> dict[str, Any]:
    return _question(
        "Look at the files now?", "A good configuration is put to use, a bad one is refused and told.", "Look"
    )


def _reload(desk: Desk, who: Operator, given: Given) -> str:
    told = desk.reload(who)
    return f"Looked at the files: {told['outcome']}, generation {told['generation']}."


ACTIONS: Mapping[str, Action] = {
    "sync": Action(_sync_asked, _sync),
    "suspend": Action(_suspend_asked, _suspend),
    "resume": Action(_resume_asked, _resume),
    "reset": Action(_reset_asked, _reset),
    "halt": Action(_halt_asked, _halt),
    "retry": Action(_retry_asked, _retry),
    "discard": Action(_discard_asked, _discard),
    "resolve": Action(_resolve_asked, _resolve),
    "release": Action(
        _mail_asked("release", "It is sent from {user}'s mailbox to {people}, whatever the budget says.", danger=True),
        _mail_done("release"),
    ),
    "drop": Action(
        _mail_asked("drop", "The change is written without telling anybody.", danger=False),
        _mail_done("drop"),
    ),
    "reload": Action(_reload_asked, _reload),
}
