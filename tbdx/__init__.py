"""tbdx: durable files, an event log, locks, mailboxes and jobs for programs that work together, on git alone."""

__version__ = "0.1.0"
