"""End-to-end cases of an operator's own configuration (``tests/*.cases.yaml``), which ``exsync test`` runs.

What it is: his targets, mappings and links as they lie in git, with every server replaced by a sandbox on loopback and the
CRM by an SQLite stand-in made from its description; real passes over real EWS in between.
What it is not: a test of his servers, of his CRM's own triggers and constraints, or of a directory.
Invariant: nothing outside this process and a temporary directory is read, written or asked, and no secret is revealed.

``files`` finds and reads the files, ``checks`` says what no schema can, ``cast`` who takes part in a case, ``world`` builds
what it runs in, ``hands`` are its people, ``play`` goes through its steps, ``comparing`` tells what came out otherwise.
"""
