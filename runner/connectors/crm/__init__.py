"""The CRM connector: an existing SQL schema, described in YAML, through SQLAlchemy Core."""
