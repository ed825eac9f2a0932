"""A target's links, one per user and folder, each with the settings that hold for it.

A link has every folder of ``defaults.folders`` and those that it names itself. Links that say nothing of their own share
one settings object, so that ten thousand of them cost little more than their lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from runner.config.candidates import CandidatePlan
from runner.config.documents import Document
from runner.config.findings import Findings, suggestion
from runner.config.plan import GENERATED
from runner.config.settings import ENTITY_OF, FolderSettings, Levels, resolve
from runner.config.yamlsource import Path, pointer
from runner.model.diagnostics import Span
from runner.model.terms import Folder

CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True)
class ResolvedLink:
    """One user's one folder, not yet joined with its mapping."""

    target: str
    user: str
    folder: Folder
    settings: FolderSettings
    rule: str
    span: Span
    paused: bool = False
    generates: int | None = None
    """Which entry of ``links`` it stands for, when that is a list of users."""
    scope: str = ""
    """Of a directory's link: what it asks the server for, as a digest."""
    candidate: FolderSettings | None = None
    """What would hold by the target's candidate."""
    tried: bool = False
    """Whether its settings are the candidate's."""

    @property
    def name(self) -> str:
        """``target/user/folder``; of a directory ``target/folder``."""
        return f"{self.target}/{self.user}/{self.folder}" if self.user else f"{self.target}/{self.folder}"


def resolve_links(document: Document, *, time_zone: str, findings: Findings) -> list[ResolvedLink]:
    """Every sound link of a target; what is wrong with the others is noted."""
    return list(_Links(document, time_zone, findings).resolved())


def check_mappings(
    document: Document,
    links: list[ResolvedLink],
    mappings: Mapping[str, Document],
    *,
    complete: bool,
    findings: Findings,
) -> None:
    """The mappings that links name exist and are for the folder's entity. ``complete``: all files could be read."""
    seen: set[tuple[str, Path]] = set()
    for link in links:
        settings = link.settings
        use = (settings.mapping, settings.mapping_path)
        if use in seen:
            continue
        seen.add(use)
        span, place = document.span(*settings.mapping_path), pointer(settings.mapping_path)
        mapping = mappings.get(settings.mapping)
        if mapping is None:
            if complete:
                hint = suggestion(settings.mapping, mappings, "mappings")
                message = f"there is no mapping {settings.mapping!r} in mappings/"
                findings.error("unknown-mapping", message, span, hint=hint, pointer=place)
            continue
        entity = mapping.data.get("entity")
        if isinstance(entity, str) and entity != settings.entity:
            findings.error(
                "entity-mismatch",
                f"the mapping {settings.mapping!r} is for {entity}, the {link.folder} holds {settings.entity}",
                span,
                hint="name a mapping for that entity",
                pointer=place,
                related=mapping.span("entity"),
            )
        elif settings.entity != ENTITY_OF[link.folder]:
            message = f"a {link.folder} holds {ENTITY_OF[link.folder]}, not {settings.entity}"
            findings.error("entity-mismatch", message, span, hint="leave entity out", pointer=place)


def variants(links: Iterable[ResolvedLink]) -> list[ResolvedLink]:
    """The links, and each that a candidate is tried on once more by its settings: for checks."""
    return [each for link in links for each in (link, by_candidate(link)) if each is not None]


def by_candidate(link: ResolvedLink) -> ResolvedLink | None:
    """The link by its target's candidate; None when there is none."""
    return None if link.candidate is None else replace(link, settings=link.candidate, tried=True)


def effective(links: Iterable[ResolvedLink], candidates: Mapping[str, CandidatePlan]) -> list[ResolvedLink]:
    """The links as they run: those of users in a live ring by the candidate. Lists of users are told apart as they grow."""
    return [by_candidate(link) or link if _reached(link, candidates) else link for link in links]


def shadows(links: Iterable[ResolvedLink], candidates: Mapping[str, CandidatePlan]) -> list[ResolvedLink]:
    """Links that do not run by the candidate, as they would."""
    waiting = [by_candidate(link) for link in links if not _reached(link, candidates)]
    return [link for link in waiting if link is not None]


def _reached(link: ResolvedLink, candidates: Mapping[str, CandidatePlan]) -> bool:
    candidate = candidates.get(link.target)
    return candidate is not None and link.generates is None and candidate.reaches(link.user)


class _Links:
    """Walks the links of one document."""

    def __init__(self, document: Document, time_zone: str, findings: Findings) -> None:
        self.document = document
        self.time_zone = time_zone
        self.findings = findings
        self.enabled = bool(document.data.get("enabled", True))
        defaults = document.data.get("defaults")
        self.defaults: Mapping[str, Any] = defaults if isinstance(defaults, dict) else {}
        self.shared: dict[tuple[Folder, bool, bool], FolderSettings | None] = {}
        self.tries = isinstance(document.data.get(CANDIDATE), dict)

    def resolved(self) -> Iterator[ResolvedLink]:
        places: dict[tuple[str, Folder], Path] = {}
        links = self.document.data.get("links")
        for index, link in enumerate(links if isinstance(links, list) else ()):
            path: Path = ("links", index)
            if not isinstance(link, dict) or not (isinstance(link.get("user"), str) or self._generates(link, path)):
                continue
            user = link["user"].lower() if "user" in link else GENERATED
            folders = self._folders(link, path)
            span = self.document.span(*path)
            for folder in folders:
                first = path if user == GENERATED else places.setdefault((user, folder), path)
                if first != path:
                    self._repeated(user, folder, path, first)
                    continue
                settings = self._settings(folder, link, path)
                if settings is not None and self.document.name is not None:
                    paused = bool(link.get("paused", False))
                    generates = index if user == GENERATED else None
                    tried = self._settings(folder, link, path, by_candidate=True) if self.tries else None
                    yield ResolvedLink(
                        self.document.name,
                        user,
                        folder,
                        settings,
                        str(span),
                        span,
                        paused,
                        generates=generates,
                        candidate=tried,
                    )

    def _generates(self, link: Mapping[str, Any], path: Path) -> bool:
        """Whether the entry is a list of users; one that says both, or two sources, is noted."""
        given = link.get("generate")
        source = given.get("from") if isinstance(given, dict) else None
        return isinstance(source, dict) and len(source) == 1

    def _folders(self, link: Mapping[str, Any], path: Path) -> list[Folder]:
        default, own = self.defaults.get("folders"), link.get("folders")
        named = {**(default if isinstance(default, dict) else {}), **(own if isinstance(own, dict) else {})}
        folders = [folder for folder in Folder if folder.value in named]
        refused = any("folders" in at for at in self.document.broken)
        if not folders and not refused:
            self.findings.error(
                "no-folders",
                "nothing says which folders this link has",
                self.document.span(*path, "user" if "user" in link else "generate"),
                hint="add defaults.folders.calendar to the target, or folders.calendar to the link",
                pointer=pointer(path),
            )
        return folders

    def _repeated(self, user: str, folder: Folder, path: Path, first: Path) -> None:
        document = self.document
        self.findings.error(
            "duplicate-link",
            f"{user}'s {folder} is linked twice on this target; the first time in {document.rule(*first)}",
            document.span(*path, "user"),
            hint="join the two entries; every entry has all folders of defaults.folders",
            pointer=pointer((*path, "user")),
            related=document.span(*first, "user"),
        )

    def _settings(
        self, folder: Folder, link: Mapping[str, Any], path: Path, *, by_candidate: bool = False
    ) -> FolderSettings | None:
        if not (link.keys() - {"user", "generate", "enabled", "paused"}):
            key = (folder, bool(link.get("enabled", True)), by_candidate)
            if key not in self.shared:
                self.shared[key] = self._resolve(folder, link, path, by_candidate=by_candidate)
            return self.shared[key]
        return self._resolve(folder, link, path, by_candidate=by_candidate)

    def _resolve(
        self, folder: Folder, link: Mapping[str, Any], path: Path, *, by_candidate: bool
    ) -> FolderSettings | None:
        in_defaults: Path = ("defaults", "folders", folder.value)
        in_link: Path = (*path, "folders", folder.value)
        tried: list[Path] = [(CANDIDATE, "defaults"), (CANDIDATE, *in_defaults)] if by_candidate else []
        # `enabled` of the link itself is joined by "and", not overridden, so it is not one of the levels.
        # The candidate's defaults lie right over the target's: so it does what these lines will do among those.
        paths: list[Path] = [("defaults",), *tried[:1], in_defaults, *tried[1:], path, in_link]
        levels = Levels(self.document, folder, paths, ignoring=(*path, "enabled"))
        guards = Levels(
            self.document, folder, [(), in_defaults, *tried[1:], path, in_link, *([(CANDIDATE,)] if tried else [])]
        )
        enabled = self.enabled and bool(link.get("enabled", True))
        return resolve(levels, guards, enabled=enabled, time_zone=self.time_zone, findings=self.findings)
