"""The notice, generated from the policy: its layers, its plain text, what changes between two, its entry in the file.

Pure: a policy goes in, values and texts come out; where notices are kept and whom they reach is for `app.notices`.
"""
