"""`emotrace serve`: analyses over HTTP, with a page. Uploads are analysed in processes of their own, within limits.

Reading order: `settings`, `app` and `routes` (what is asked), `uploads` (how bytes come in), `jobs` and `workers` (who
does the work), `worker` (what runs in such a process), `store` (what is remembered), `events`, `answers`, `security`.
"""
