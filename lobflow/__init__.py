"""The command line, and what starts and watches the processes of one machine."""
