"""The sync plan: the compiled configuration, immutable. What runs, runs on one of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from runner.config.candidates import CandidatePlan
from runner.config.expanding import Schedule
from runner.config.participant_tables import CrmParticipants
from runner.config.secrets import SecretRef
from runner.config.serving import ServicePlan
from runner.mapping.compiled import CompiledMapping
from runner.mapping.condition import Condition
from runner.model.files import FileRules
from runner.model.privacy import TITLE
from runner.model.record import FieldType
from runner.model.terms import Entity, Folder, Private
from runner.reconcile.expanding import Expansion
from runner.reconcile.firewall import MailPolicy
from runner.reconcile.guards import Limits
from runner.reconcile.membership import GroupRule
from runner.reconcile.restrictions import Restrictions
from runner.reconcile.rules import ItemRules


@dataclass(frozen=True, slots=True)
class Window:
    """What takes part, around now (B-47). None = unbounded on that end."""

    past: timedelta | None = None
    future: timedelta | None = None


@dataclass(frozen=True, slots=True)
class CrmField:
    """One CRM field: its column and canonical type. ``writable`` False: read, never written."""

    name: str
    column: str
    type: FieldType
    nullable: bool = True
    writable: bool = True
    max_length: int | None = None


OCCURRENCES = "occurrences"
"""The CRM field, of type ``overrides``, that an entity has when its customised occurrences are described."""


@dataclass(frozen=True, slots=True)
class CrmOccurrences:
    """The table of a series' customised occurrences: one row per occurrence that differs from its series (B-36).

    A column of ``fields`` that is NULL follows the series; empty text in it says that the occurrence has none.
    """

    table: str
    series: str
    """Column with the key of the series' row."""
    day: str
    """Column with the date on which the series has the occurrence, in the series' own zone."""
    excluded: tuple[str, object, object]
    """(column, value that means left out, value otherwise)."""
    fields: Mapping[str, CrmField]
    """What an occurrence can have of its own: names and types of the entity's fields."""
    key: str | None = None
    """The table's own key column, where it has one."""
    modified: str | None = None
    defaults: Mapping[str, object] = field(default_factory=dict)


PARTICIPANTS, PARTICIPANT_NAMES, RESPONSES = "participants", "participant_names", "responses"
PEOPLE = frozenset({PARTICIPANTS, PARTICIPANT_NAMES, RESPONSES})
"""The CRM fields, of type ``addresses``, that an entity has when the tables of its participants are described."""


EMAILS = "emails"
"""The CRM field, of type ``addresses``, that a CRM user has: the e-mail addresses that a directory gave him (B-81)."""


@dataclass(frozen=True, slots=True)
class CrmAttachments:
    """The table of files that are attached to records, one row each (B-45)."""

    table: str
    item: str
    name: str
    content: str
    """Column with the bytes."""
    key: str | None = None
    """The table's own key column, where it has one."""
    defaults: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CrmMaterialised:
    """A table of ours to fill, one row for each occurrence of every series up to ``horizon`` from now (B-38).

    Its rows are derived and never read as input. ``source`` names the entity's fields by the slots of the codec
    ``interval``: ``start``, ``end``, ``rule`` and, where the entity has them, ``zone`` and ``all_day``.
    """

    table: str
    series: str
    day: str
    start: str
    end: str
    horizon: timedelta
    source: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OwnerRelation:
    """A table that says which users hold which records: a task's assignees, a contact's coverage.

    ``item`` is its column with the record's key or, with ``via``, with the value of that column of the record (a contact's
    company, whose coverage covers the contact). ``soft_delete`` marks rows that hold no longer; ``defaults`` are constants
    of every row that we insert.
    """

    table: str
    item: str
    user: str
    via: str | None = None
    soft_delete: tuple[str, object] | None = None
    defaults: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CrmEntity:
    """How one entity lies in the CRM's schema. ``version_by`` says who moves the version column on.

    A user holds a record when ``owner``, a column of the row, names him, or when one of ``relations`` does.
    """

    entity: Entity
    table: str
    key: str
    version: str
    version_by: str
    """``writer``: our update increments it; ``trigger``: the database does (for example the printed DDL's trigger)."""
    owner: str | None
    modified: str | None
    soft_delete: tuple[str, object] | None
    """(column, value that means deleted)."""
    fields: Mapping[str, CrmField]
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Columns set to constants on every insert."""
    occurrences: CrmOccurrences | None = None
    materialised: CrmMaterialised | None = None
    relations: tuple[OwnerRelation, ...] = ()
    participants: CrmParticipants | None = None
    attachments: CrmAttachments | None = None
    unique: str | None = None
    """The field that no two records share: a create takes up the record that has its value, deleted or not (B-81)."""
    templates: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """User templates: columns of a new record by the value of its field ``template`` (B-82)."""


@dataclass(frozen=True, slots=True)
class CrmUsers:
    """Where CRM users and their e-mail addresses live. ``aliases`` is (table, user column, address column)."""

    table: str
    key: str
    email: str
    aliases: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class CrmPlan:
    """The CRM: one per deployment. ``feed`` is ``outbox`` (triggers) or ``version_column``."""

    name: str
    url: str | SecretRef
    feed: str
    users: CrmUsers
    entities: Mapping[Entity, CrmEntity]
    rule: str
    schema: str | None = None
    feed_overlap: timedelta = timedelta(minutes=5)
    feed_keep: timedelta = timedelta(days=14)
    """How long outbox rows that were read are kept: a state restored from a backup that old still catches up by itself."""
    time_zone: str = "Etc/UTC"
    paused: bool = False
    """Nothing runs (B-15); changes are marked and go out later."""


@dataclass(frozen=True, slots=True)
class AuthPlan:
    """How to log on: ``basic``, ``ntlm``, ``kerberos`` or ``oauth2``.

    ``username`` is the account, or an application's id; ``password`` its secret, None with Kerberos, whose ticket or keytab
    is the process's. ``token_url`` and ``scope`` are OAuth's (client credentials).
    """

    type: str
    username: str
    password: SecretRef | None
    token_url: str = ""
    scope: str = ""


DOMAIN = "domain"
"""Autodiscover in the domain of the user's address."""


@dataclass(frozen=True, slots=True)
class NotificationsPlan:
    """How changes of a target are heard of (B-11): by ``mode``, ``streaming``, ``push`` or ``poll``.

    ``poll`` is the time between two looks at a link when nothing else asks for one; every mode has it, so that a lost
    notification only costs time. A subscription that was not heard of for ``renewal_period`` is renewed (B-13). ``url`` is
    what a push server's addresses begin with.
    """

    mode: str = "streaming"
    poll: timedelta = timedelta(hours=1)
    renewal_period: timedelta = timedelta(minutes=20)
    url: str = ""


@dataclass(frozen=True, slots=True)
class ExchangePlan:
    """One Exchange site. ``access`` is ``impersonation`` or ``delegate``; ``batch`` is items per GetItem.

    ``endpoint`` is its one EWS URL; empty when each mailbox is looked up: ``autodiscover`` is then where, a URL or
    :data:`DOMAIN` for the user's own domain.
    """

    name: str
    endpoint: str
    auth: AuthPlan
    access: str
    rule: str
    enabled: bool = True
    ca_file: str | None = None
    version: str = "Exchange2016"
    timeout: timedelta = timedelta(seconds=60)
    page: int = 512
    batch: int = 50
    connections: int = 4
    paused: bool = False
    notifications: NotificationsPlan = NotificationsPlan()
    autodiscover: str = ""


@dataclass(frozen=True, slots=True)
class LdapAuth:
    """How to log on to a directory: ``simple`` (a DN or ``name@domain``, and a password) or ``kerberos``."""

    type: str
    username: str = ""
    password: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class DirectoryScope:
    """Where a directory's users or groups are (B-80). ``filter`` None: by the kind of server; ``attributes`` is record
    field → attribute, where it differs from the server's usual ones."""

    bases: tuple[str, ...]
    scope: str
    filter: str | None
    attributes: Mapping[str, tuple[str, ...]]
    rule: str


@dataclass(frozen=True, slots=True)
class LdapPlan:
    """One directory server, with its group mapping (B-82). ``full_every``: how often what did not change is compared all
    the same, where the server tells of changes."""

    name: str
    url: str
    auth: LdapAuth
    rule: str
    users: DirectoryScope
    groups: DirectoryScope | None = None
    group_rules: tuple[GroupRule, ...] = ()
    enabled: bool = True
    start_tls: bool = False
    ca_file: str | None = None
    timeout: timedelta = timedelta(seconds=30)
    connect_timeout: timedelta = timedelta(seconds=10)
    page: int = 500
    incremental: bool = True
    full_every: timedelta = timedelta(hours=24)
    paused: bool = False
    connections: int = 2
    notifications: NotificationsPlan = NotificationsPlan("poll", timedelta(hours=1))

    @property
    def endpoint(self) -> str:
        """Where the server is."""
        return self.url

    @property
    def encrypted(self) -> bool:
        """Whether the log-on is sent over TLS."""
        return self.start_tls or self.url.startswith("ldaps:")


TargetPlan = ExchangePlan | LdapPlan


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """One user's one folder on a target, with everything a pass needs to know. A directory's links have no user."""

    name: str
    target: str
    user: str
    folder: Folder
    entity: Entity
    mapping: CompiledMapping
    rules: ItemRules
    limits: Limits
    window: Window
    private: Private
    time_zone: str
    enabled: bool
    rule: str
    """``file:line:column`` of the link in YAML."""
    digest: str
    """Over everything above; a changed digest is a changed link."""
    mail: MailPolicy = field(default_factory=MailPolicy)
    """What may be mailed to attendees (B-42)."""
    paused: bool = False
    """Like disabled, but said to be for a while: ``plan`` still shows what waits (B-15)."""
    private_title: str = TITLE
    """What a placeholder for a private item is called (B-35)."""
    private_meetings: bool = False
    """Whether private items with several participants come in at all."""
    keep_items_older_than: timedelta | None = None
    """Deletes of single items that ended longer ago are taken for archiving (B-39)."""
    restrictions: Restrictions = field(default_factory=Restrictions)
    """Thresholds over which items are set aside (B-40)."""
    filter: Condition | None = None
    """What an item must say to take part (B-47)."""
    files: FileRules | None = None
    """What takes part of attachments; None: nothing does (B-45)."""
    expand: Expansion | None = None
    """How the first sync grows (B-71); None: at once."""
    snapshot: Schedule | None = None
    """The snapshot by schedule (B-70)."""
    scope: str = ""
    """Of a directory's link: a digest over what it asks the server for (B-80, B-82)."""
    activation_attempts: int = 0
    """Of a generated link: how often it is tried until it has had its first sync (B-73); 0: like any other."""
    candidate: CandidatePlan | None = None
    """The target's candidate, when the link's settings are that one's."""


ACTIVATION_ATTEMPTS = 5
"""How often a generated link is tried to begin, unless YAML says otherwise."""
GENERATED = "*"
"""The user of a link that stands for everybody on a list."""


@dataclass(frozen=True, slots=True)
class GeneratedLinks:
    """Links for everybody on a list (B-73). ``kind`` says what ``source`` names: ``ldap`` a directory of the plan, ``csv`` a
    file, ``crm`` nothing: its users. ``links`` are what each user gets, their user being ``*``."""

    kind: str
    source: str
    limit: int
    links: tuple[LinkPlan, ...]
    rule: str
    tried: tuple[LinkPlan, ...] = ()
    """The same by the target's candidate, when it has one."""


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """The whole compiled configuration."""

    digest: str
    crm: CrmPlan
    targets: Mapping[str, TargetPlan]
    links: Mapping[str, LinkPlan]
    service: ServicePlan = field(default_factory=ServicePlan)
    generated: tuple[GeneratedLinks, ...] = ()
    candidates: Mapping[str, CandidatePlan] = field(default_factory=dict)
    """By target."""
    shadows: Mapping[str, LinkPlan] = field(default_factory=dict)
    """What the candidate would make of links that do not run by it yet, by name."""
