"""``make demo``: the main job end to end on this machine alone, with the commands that an operator would type."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from exchangelib import CalendarItem, EWSDateTime, Mailbox
from exchangelib.items import SEND_ONLY_TO_ALL, SEND_TO_NONE
from exchangelib.properties import Attendee
from exchangelib.recurrence import Recurrence, WeeklyPattern

from runner.cli.demo import ANN, BOB, HOME, Demo, farewell, serve, stop
from runner.cli.staff import directory_part

CUSTOMER = "zoe@northwind.example"


def tell(demo: Demo) -> None:
    """First sync, an edit on either side, a conflict, a delete; then series, meetings, private items, tasks and contacts;
    and a pass that writes nothing."""
    demo.prepare()
    demo.say("The operator's YAML holds: one CRM, one Exchange, two users with calendar, tasks and contacts.")
    demo.exsync("validate")
    demo.say("The CRM gets its triggers and its key table (printed without --apply).")
    demo.exsync("target", "ddl", "crm", "--apply")
    demo.say("What would the first sync do? A plan writes nothing.")
    demo.exsync("plan", f"sandbox/{ANN}/calendar")
    demo.say(
        "First sync: calendars from Outlook, Google and RFC samples meet the CRM's appointments, tasks and persons."
    )
    demo.exsync("run", "--once")
    _edits(demo)
    _series(demo)
    _meeting(demo)
    _private_tasks_and_contacts(demo)
    directory_part(demo)
    _taken_back(demo)
    demo.say("One more pass over everything writes nothing.")
    demo.exsync("run", "--once")
    demo.exsync("status")
    demo.say("Who was told by mail, all along? The one that Ann invited, by her own Outlook.")
    demo.expect_mails(1)


def _edits(demo: Demo) -> None:
    demo.say("Ann renames an appointment in Outlook, and somebody adds a note to it in the CRM: one pass carries both.")
    item = demo.outlook(ANN, "Review")
    item.subject, item.location = "Review with the board", "Room 4"
    item.save(update_fields=["subject", "location"], send_meeting_invitations=SEND_TO_NONE)
    demo.sql("UPDATE appointment SET notes = ? WHERE subject = ?", ("Bring the figures", "Review"))
    demo.exsync("apply", f"sandbox/{ANN}/calendar")
    demo.say("Both sides change the same title: a conflict. The YAML says who wins; the losing value is kept.")
    item = demo.outlook(ANN, "Review with the board")
    item.subject = "Review (Outlook's name)"
    item.save(update_fields=["subject"], send_meeting_invitations=SEND_TO_NONE)
    demo.sql("UPDATE appointment SET subject = ? WHERE notes = ?", ("Review (the CRM's name)", "Bring the figures"))
    demo.exsync("apply", f"sandbox/{ANN}/calendar")
    demo.exsync("conflicts", "list")
    demo.say("Ann deletes it in Outlook; the CRM's record is deleted with it.")
    demo.outlook(ANN, "Review (the CRM's name)").move_to_trash(send_meeting_cancellations=SEND_TO_NONE)
    demo.exsync("apply", f"sandbox/{ANN}/calendar")


def _taken_back(demo: Demo) -> None:
    calendar = f"sandbox/{ANN}/calendar"
    demo.say("A script garbles a title in the CRM, and it reaches Outlook. Why does the item read like that?")
    demo.sql("UPDATE appointment SET subject = 'B?dg?t' WHERE subject = 'Budget'")
    run = demo.exsync("apply", calendar).partition("Run ")[2].partition(" ")[0]
    demo.exsync("explain", "B?dg?t")
    demo.say("The run is taken back: first shown, then done, on both sides, without mail.")
    demo.exsync("undo", run)
    demo.exsync("undo", run, "--both", "--apply")
    demo.exsync("apply", calendar)
    demo.show("appointment", "SELECT subject, location FROM appointment WHERE subject = 'Budget'")


def _ahead(days: int, hour: int) -> EWSDateTime:
    day = datetime.now(UTC) + timedelta(days=days)
    return EWSDateTime.from_datetime(day.replace(hour=hour, minute=0, second=0, microsecond=0))


def _appointment(demo: Demo, user: str, title: str, start: EWSDateTime, **more: object) -> CalendarItem:
    account = demo.account(user)
    end = start + timedelta(hours=1)
    return CalendarItem(account=account, folder=account.calendar, subject=title, start=start, end=end, **more)


def _series(demo: Demo) -> None:
    demo.say(
        "Ann plans the budget and a weekly series in Outlook, of which she moves one occurrence to another room: a record "
        "each, and one row for the occurrence."
    )
    _appointment(demo, ANN, "Budget", _ahead(5, 9), location="Room 2").save(send_meeting_invitations=SEND_TO_NONE)
    start = _ahead(2, 9)
    pattern = WeeklyPattern(interval=1, weekdays=[start.strftime("%A")])
    series = _appointment(
        demo, ANN, "Sales huddle", start, recurrence=Recurrence(pattern=pattern, start=start.date(), number=6)
    ).save(send_meeting_invitations=SEND_TO_NONE)
    second = series.occurrence(index=2)
    second.location = "Room 7"
    second.save(update_fields=["location"], send_meeting_invitations=SEND_TO_NONE)
    demo.exsync("apply", f"sandbox/{ANN}/calendar")
    demo.show("appointment", "SELECT subject, recurrence_rule FROM appointment WHERE subject = 'Sales huddle'")
    demo.show("occurrence", "SELECT original_day, location FROM appointment_occurrence WHERE location = 'Room 7'")


def _meeting(demo: Demo) -> None:
    title = "Quarter planning"
    demo.say("Ann invites Bob and a customer. Two mailboxes hold the meeting, the CRM has one record of it.")
    people = [Attendee(mailbox=Mailbox(email_address=who), response_type="Unknown") for who in (BOB, CUSTOMER)]
    _appointment(demo, ANN, title, _ahead(3, 13), required_attendees=people).save(
        send_meeting_invitations=SEND_ONLY_TO_ALL
    )
    demo.exsync("run", "--once")
    demo.show("records of it", "SELECT count(*), min(subject) FROM appointment WHERE subject = ?", [title])
    demo.show(
        "who takes part in the CRM",
        "SELECT invited_as, role FROM appointment_user UNION SELECT email, role FROM appointment_guest",
    )
    demo.say("Somebody adds a colleague of the customer's in the CRM: he is on Ann's list, and exsync mails nobody.")
    demo.sql(
        "INSERT INTO appointment_guest (appointment_id, email, role) SELECT id, 'ivo@northwind.example', 'optional' "
        "FROM appointment WHERE subject = ?",
        [title],
    )
    demo.exsync("apply", f"sandbox/{ANN}/calendar")
    for who in (demo.outlook(ANN, title).required_attendees, demo.outlook(ANN, title).optional_attendees):
        click.echo(f"   on Ann's list in Outlook: {', '.join(each.mailbox.email_address for each in who or ())}")
    demo.expect_mails(1)


def _private_tasks_and_contacts(demo: Demo) -> None:
    demo.say(
        "A private appointment comes in as busy time only. A task of both users: each gets a copy. Ann covers a person: "
        "it is among her contacts."
    )
    _appointment(demo, BOB, "Interview at Contoso", _ahead(4, 8), sensitivity="Private", location="Secret").save(
        send_meeting_invitations=SEND_TO_NONE
    )
    demo.sql("INSERT INTO task (subject, due_on) VALUES ('Call Northwind back', date('now', '+5 days'))")
    demo.sql(
        "INSERT INTO task_user SELECT task.id, crm_user.id FROM task, crm_user WHERE subject = 'Call Northwind back'"
    )
    demo.sql("INSERT INTO person (first_name, last_name, email) VALUES ('Nora', 'Winter', 'nora@northwind.example')")
    demo.sql("INSERT INTO person_cover SELECT person.id, 1 FROM person WHERE last_name = 'Winter'")
    demo.exsync("run", "--once")
    demo.show("appointment", "SELECT subject, location, show_as FROM appointment WHERE subject = 'Private'")
    demo.say(
        "Bob completes his copy of the task; the CRM and Ann's copy follow. Ann covers the person no more: the copy that we "
        "made goes."
    )
    demo.account(BOB).tasks.filter(subject="Call Northwind back")[0].complete()
    demo.sql("DELETE FROM person_cover WHERE person_id = (SELECT id FROM person WHERE last_name = 'Winter')")
    demo.exsync("run", "--once")
    demo.exsync("run", "--once")
    demo.show("task", "SELECT subject, status, percent FROM task WHERE subject = 'Call Northwind back'")


@click.command()
@click.option("--stop", "only_stop", is_flag=True, help="End what an earlier demo left running.")
@click.option("--keep", is_flag=True, help="Leave the service and its web console running.")
def main(only_stop: bool, keep: bool) -> None:
    """Run the demo in ./.demo."""
    home = HOME.resolve()
    stop(home)
    if only_stop:
        return
    begun = time.monotonic()
    demo = Demo(home, Path.cwd())
    tell(demo)
    click.echo(f"\nDone in {time.monotonic() - begun:.0f} s.")
    if keep:
        serve(demo)
    farewell(demo)


if __name__ == "__main__":
    main()
