"""The report on an experiment folder: read the cells, put side by side what compares, test, and write it down.

records → evidence (which cell stands where) → blocks (rows that compare) → judging (best, tests) → sheets (ready-made
tables) → document → Markdown, LaTeX, CSV, HTML.
"""
