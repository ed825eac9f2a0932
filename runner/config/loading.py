"""A root in, a plan or every finding out: snapshot → parse → schema → references → links → mappings → plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from runner.config import files
from runner.config.candidates import check_candidate, compile_candidate
from runner.config.compile import LinkCompiler, compile_crm, compile_filters, compile_mappings
from runner.config.documents import KINDS, Document, Parsed, parse
from runner.config.exchange import compile_exchange
from runner.config.findings import Findings, suggestion
from runner.config.ldap import check_inbound, check_ldap, check_templates, compile_ldap, resolve_directory
from runner.config.links import ResolvedLink, by_candidate, check_mappings, effective, resolve_links, shadows, variants
from runner.config.plan import ACTIVATION_ATTEMPTS, GeneratedLinks, SyncPlan, TargetPlan
from runner.config.redaction import shown
from runner.config.references import Catalogue, catalogue, check_crm, check_exchange
from runner.config.schema import packaged_schemas
from runner.config.serving import check_service, compile_service
from runner.config.settings import FolderSettings
from runner.config.yamlsource import read
from runner.mapping.compiled import CompiledMapping
from runner.mapping.condition import Condition
from runner.model.diagnostics import Diagnostic, Severity, Span
from runner.model.errors import ConfigurationInvalid


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a root. ``plan`` is None when any finding is an error.

    ``texts`` has the files' texts for snippets, secrets hidden; ``settings`` has each link's effective settings with the
    place (``file:line:column``) that decided each; ``documents`` are the files as read, for showing them.
    """

    plan: SyncPlan | None
    diagnostics: tuple[Diagnostic, ...]
    texts: Mapping[str, str]
    digest: str = ""
    root: Path = Path()
    settings: Mapping[str, FolderSettings] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()

    @property
    def errors(self) -> int:
        """Number of findings that forbid a plan."""
        return sum(finding.severity is Severity.ERROR for finding in self.diagnostics)

    @property
    def warnings(self) -> int:
        """Number of findings that only ``--strict`` minds."""
        return len(self.diagnostics) - self.errors


def load(root: Path, *, beside: Path | None = None) -> Loaded:
    """Read and compile everything below a root. Never raises for what files may hold.

    ``beside``: paths that the files name are taken from there, when the root holds a copy of files that lay elsewhere.
    """
    taken = files.snapshot(root)
    if beside is not None:
        taken = replace(taken, root=beside.resolve())
    findings = Findings()
    findings.add(*taken.diagnostics)
    schemas = packaged_schemas()
    parsed = [parse(file, schemas, findings, _schema_at(file.path)) for file in taken.files]
    documents = [each.document for each in parsed if each.document is not None]
    complete = len(documents) == len(parsed) and not taken.diagnostics
    if complete and not any(document.file.startswith(f"{files.TARGETS}/") for document in documents):
        hint = "an empty configuration is taken for one that was not mounted"
        findings.error("no-configuration", "there is no document in targets.d/", _top(files.TARGETS), hint=hint)
    targets = [document for document in documents if document.file.startswith(f"{files.TARGETS}/")]
    known = catalogue(documents, complete=complete, findings=findings, top=targets[0] if targets else None)
    links = _check(known, taken.root, findings)
    compiled = compile_mappings(known.mappings, known.crm, findings) if known.crm else {}
    filters: dict[tuple[str, str], Condition] = {}
    for document in known.targets:
        mine = variants(link for link in links if link.target == document.name)
        filters |= compile_filters(document, mine, compiled, findings)
        if document.kind == "ldap":
            check_inbound(document, mine, compiled, findings)
    plan = (
        None
        if findings.has_errors or known.crm is None
        else _compile(known, known.crm, links, compiled, filters, taken)
    )
    texts = MappingProxyType({each.source.file: shown(each.source) for each in parsed})
    held = links if plan is None else effective(links, plan.candidates)
    settings = MappingProxyType({link.name: link.settings for link in held})
    return Loaded(plan, findings.sorted(), texts, taken.digest, taken.root, settings, tuple(documents))


def load_plan(root: Path) -> SyncPlan:
    """The plan of a root. Raises :class:`ConfigurationInvalid` with every finding when there is an error."""
    loaded = load(root)
    if loaded.plan is None:
        raise ConfigurationInvalid(loaded.diagnostics, loaded.texts)
    return loaded.plan


def load_file(path: Path) -> Loaded:
    """One file on its own, outside any root: syntax, schema and what can be said without its neighbours."""
    findings = Findings()
    file, unreadable = files.read_file(path, str(path))
    findings.add(*unreadable)
    parsed: list[Parsed] = []
    if file is not None:
        parsed.append(parse(file, packaged_schemas(), findings, _schema_of(file)))
    documents = tuple(each.document for each in parsed if each.document is not None)
    for document in documents:
        if document.kind == "crm":
            check_crm(document, findings)
        elif document.kind == "exchange":
            check_exchange(document, findings, has_file=True)
        elif document.kind == "service":
            check_service(document, findings)
        elif document.kind == "ldap":
            check_ldap(document, findings, has_file=True)
    texts = {each.source.file: shown(each.source) for each in parsed}
    return Loaded(None, findings.sorted(), texts, root=path.parent, documents=documents)


def _schema_at(path: str) -> str:
    """The schema of a file of a root, by where it lies."""
    if path == files.SERVICE:
        return "service"
    return "mapping" if path.startswith(f"{files.MAPPINGS}/") else "target"


def _schema_of(file: files.SourceFile) -> str:
    """The schema that a file outside any root asks for: by its name, or by the kind that it gives itself."""
    if files.is_test(file.path):
        return "mapping-test"
    data = read(file.data, file.path).data
    kind = data.get("kind") if isinstance(data, dict) else None
    return KINDS.get(kind, "target") if isinstance(kind, str) else "target"


def _top(name: str) -> Span:
    return Span(name, 1, 1, 1, 1)


def _check(known: Catalogue, root: Path, findings: Findings) -> list[ResolvedLink]:
    zone = "Etc/UTC"
    if known.service is not None:
        check_service(known.service, findings)
    if known.crm is not None:
        check_crm(known.crm, findings)
        zone = known.crm.data.get("time_zone") or zone
    _check_sources(known, findings)
    links: list[ResolvedLink] = []
    for document in known.targets:
        ca_file = document.data.get("ca_file")
        has_file = not isinstance(ca_file, str) or files.exists(root, ca_file)
        if document.kind == "ldap":
            check_ldap(document, findings, has_file=has_file)
            if known.crm is not None:
                check_templates(document, known.crm, findings)
            resolved = resolve_directory(document, time_zone=zone, findings=findings)
        else:
            check_exchange(document, findings, has_file=has_file)
            resolved = resolve_links(document, time_zone=zone, findings=findings)
            listed = any(link.generates is not None for link in resolved)
            users = () if listed else {link.user for link in resolved}
            check_candidate(document, users, {link.folder for link in resolved}, findings)
        check_mappings(document, variants(resolved), known.mappings, complete=known.complete, findings=findings)
        links += resolved
    return links


def _compile(
    known: Catalogue,
    crm: Document,
    links: list[ResolvedLink],
    mappings: Mapping[str, CompiledMapping],
    filters: Mapping[tuple[str, str], Condition],
    taken: files.Snapshot,
) -> SyncPlan:
    candidates = {each.target: each for document in known.targets if (each := compile_candidate(document))}
    compiler = LinkCompiler(mappings, filters, candidates)
    single = [link for link in links if link.generates is None]
    return SyncPlan(
        digest=taken.digest,
        crm=compile_crm(crm, taken.root),
        targets=MappingProxyType({str(each.name): _target(each, taken.root) for each in known.targets}),
        links=MappingProxyType(compiler.compile(effective(single, candidates))),
        generated=tuple(_generated(known, links, compiler, taken.root)),
        service=compile_service(known.service, taken.root),
        candidates=MappingProxyType(candidates),
        shadows=MappingProxyType(compiler.compile(shadows(single, candidates))),
    )


def _generated(
    known: Catalogue, links: list[ResolvedLink], compiler: LinkCompiler, root: Path
) -> Iterator[GeneratedLinks]:
    """What each list of users gives everybody who is on it."""
    for document in known.targets:
        mine = [link for link in links if link.target == document.name and link.generates is not None]
        for index in dict.fromkeys(link.generates for link in mine):
            given = document.data["links"][index]["generate"]
            ((kind, source),) = given["from"].items()
            listed = [link for link in mine if link.generates == index]
            attempts = int(given.get("activation_attempts", ACTIVATION_ATTEMPTS))
            templates = compiler.compile(listed)
            tried = compiler.compile([each for link in listed if (each := by_candidate(link))])
            yield GeneratedLinks(
                kind=kind,
                source=str(root / source) if kind == "csv" else str(source),
                limit=int(given.get("limit", 1000)),
                links=tuple(replace(each, activation_attempts=attempts) for each in templates.values()),
                tried=tuple(replace(each, activation_attempts=attempts) for each in tried.values()),
                rule=document.rule("links", index or 0, "generate"),
            )


def _check_sources(known: Catalogue, findings: Findings) -> None:
    """A list of users that is a directory's names one."""
    directories = [str(each.name) for each in known.targets if each.kind == "ldap"]
    for document in known.targets:
        for index, link in enumerate(document.data.get("links") or ()):
            name = document.get("links", index, "generate", "from", "ldap")
            if isinstance(link, dict) and isinstance(name, str) and name not in directories and known.complete:
                findings.error(
                    "unknown-directory",
                    f"no directory is called {name!r}",
                    document.span("links", index, "generate", "from", "ldap"),
                    hint=suggestion(name, directories, "directories"),
                    pointer=f"/links/{index}/generate/from/ldap",
                )


def _target(document: Document, root: Path) -> TargetPlan:
    return compile_ldap(document, root) if document.kind == "ldap" else compile_exchange(document, root)
