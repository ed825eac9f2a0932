"""Laws of the change log: a client that follows it, in pages of any size, ends with what the folder holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.sandbox.changelog import Change, ChangeLog, Window, read_state, write_state

_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete", "read", "page", "page"]),
        st.integers(min_value=0, max_value=5),
    ),
    max_size=60,
)


class _Follower:
    """A client of one log: what it knows of each item, and where it stands."""

    def __init__(self, log: ChangeLog, limit: int) -> None:
        self.log, self.limit = log, limit
        self.window: Window | None = None
        self.known: dict[str, int] = {}
        self.done = False

    def page(self, folder: dict[str, int]) -> None:
        changes, window, self.done = self.log.page(self.window, self.limit)
        state = write_state("folder", 0, window)
        assert read_state(state, "folder", 0, self.log.now) == window
        self.window = window
        assert len(changes) <= self.limit
        for change, item in changes:
            if change is Change.DELETE:
                self.known.pop(item, None)
            else:
                assert item in folder, "an item that is gone is never reported as there"
                if change is not Change.CREATE:
                    assert item in self.known, "an update is of something the client was told of"
                self.known[item] = folder[item]


@given(acts=_ACTS, limit=st.integers(min_value=1, max_value=4))
def test_following_the_log_converges(acts: list[tuple[str, int]], limit: int) -> None:
    log = ChangeLog()
    folder: dict[str, int] = {}
    follower = _Follower(log, limit)
    for serial, (act, number) in enumerate(acts, start=1):
        names = list(folder)
        if act == "page":
            follower.page(folder)
        elif act == "create":
            folder[f"i{serial}"] = serial
            log.note(f"i{serial}", Change.CREATE)
        elif names:
            name = names[number % len(names)]
            if act == "delete":
                del folder[name]
                log.note(name, Change.DELETE)
            else:
                folder[name] = serial
                log.note(name, Change.UPDATE if act == "update" else Change.READ_FLAG)
    for _ in range(4 * len(acts) + 4):
        follower.page(folder)
        if follower.done:
            break
    assert follower.done
    assert follower.known == folder
    before = follower.window
    follower.page(folder)
    assert follower.done
    assert follower.known == folder
    assert log.page(follower.window, limit)[0] == []
    assert before is not None


def test_a_quiet_call_walks_nothing() -> None:
    log = ChangeLog()
    for number in range(1000):
        log.note(f"i{number}", Change.CREATE)
    _, window, _ = log.page(None, 1000)
    log.entries = _Untouchable(log.entries)
    for _ in range(3):
        changes, window, done = log.page(window, 100)
        assert (changes, done) == ([], True)


class _Untouchable(list):  # type: ignore[type-arg]
    """A list that tells its length and nothing else."""

    def __getitem__(self, index: object) -> object:
        raise AssertionError("a quiet call looked at the log")


def test_states_are_bound_to_folder_and_epoch() -> None:
    state = write_state("a", 1, Window(0, 0, 0))
    assert read_state(state, "a", 1, 0) == Window(0, 0, 0)
    assert read_state(state, "b", 1, 0) is None
    assert read_state(state, "a", 2, 0) is None
    assert read_state(write_state("a", 1, Window(0, 9, 9)), "a", 1, 8) is None
