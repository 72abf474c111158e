"""The Compare page is drawn by these parts: choices, the result, and a tab for each further question. They import
`ui/compare`, `ui/widgets`, `figures` and the engine."""
