"""The part of the report for which models are asked: compared runs come in; what was learnt, what was lost and where
come out, with the passages and answers that show it. It imports `ui/compare`, `ui/understand`, `ui/server`,
`ui/widgets`, `figures` and the engine."""
