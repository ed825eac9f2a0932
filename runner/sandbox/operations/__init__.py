"""One module per EWS operation, and the registry that the dispatcher looks them up in.

What it is: functions from a request element and a :class:`~runner.sandbox.context.Context` to response messages.
What it is not: HTTP, authentication or the SOAP envelope.
Invariant: an operation changes the model only through :class:`~runner.sandbox.mailboxes.Mailbox`.
"""
