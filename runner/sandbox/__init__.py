"""The sandbox: a simulated Exchange that speaks EWS over HTTP, and a demo CRM. Never imported by the product's floors.

What it is: ``HTTP → model of mailboxes → HTTP``. ``server`` is the HTTP edge with authentication, ``soap`` the envelope
and the dispatch, ``operations`` one module per EWS operation, ``mailboxes`` the model, ``exchange`` the object to start.
What it is not: a client of EWS (it knows nothing of exchangelib), nor a store that outlives its process.
Invariant: it answers as Exchange does, page by page of the EWS reference, not as our client likes.
"""
