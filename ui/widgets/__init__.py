"""Parts of pages that know neither the session nor the store: forms, tables, texts, the live chart. It imports
`engine/common`, `engine/events` and `figures`."""
