"""The web console (B-90 to B-92): pages rendered on the server over the operator's desk, for people with a browser.

What it is: routes, templates, one style sheet, a little JavaScript for what moves; who may look and who may act.

What it is not: it decides nothing about items, keeps nothing but sessions, and changes no configuration, which lives in git.

Invariant: nothing is done without an operator who logged in, a token of his session, and a page of our own that asked (E11);
whatever he does is among the acts with his name. A viewer sees no personal field.
"""
