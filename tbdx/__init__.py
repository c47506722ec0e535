"""tbdx: durable files, an event log, locks, mailboxes and jobs for programs that work together, on git alone."""

__version__ = "0.1.0"
TBD_VERSION = "0.7.1"  # the tbd release whose commands, shapes and files we give
