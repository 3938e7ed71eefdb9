"""The rule language and its evaluator. Pure: no I/O, no clock, no await.

Read `model` (the words), `conditions` (what one condition means), `ruleset` (all groups at once),
`membership` (what a verdict does to a membership).
"""
