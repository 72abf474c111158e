"""The view Abilities of the page Understand: a visitor's choice of runs → a table of what their stages can do, and
results of lm-evaluation-harness. It imports ui/understand, ui/server, ui/widgets and engine."""
