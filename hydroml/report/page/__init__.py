"""The parts of ``report.html``: what is read, packed and written."""
