"""The bytes of a table of any dialect (delimited, JSON, Parquet, workbook) come in; its cells, and how they were read,
go out. It imports `tasks/documents`, `tasks/files` and `common`."""
