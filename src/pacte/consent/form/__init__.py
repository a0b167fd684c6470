"""Forms that ask for consent: what one shows, as values and as the fragment of HTML that its digest is of.

Pure: a policy goes in, values and texts come out. Where forms are shown and answers recorded is for `app.forms`.
"""
