"""The Compare page and its report are made of these parts: runs come in; tables, figures and files go out. It imports
`ui/widgets`, `figures` and the engine."""
