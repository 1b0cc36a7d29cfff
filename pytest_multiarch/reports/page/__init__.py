"""What the HTML page shows, section by section: plain values that its template prints.

Every text in them is cleaned and bounded already; the template escapes it for HTML.
"""
