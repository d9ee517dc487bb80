"""The service's tables through SQLAlchemy Core: directory, applications, jobs, cycles, links, log, access."""
