"""What the ending of a file's name says of it: how it is read, or what it is and how to save it instead."""

from __future__ import annotations

FORMATS = ("txt", "md", "csv", "tsv", "jsonl", "json", "parquet", "xlsx", "html")
"""What is read in a way of its own; every other file is read as plain text if it is text."""
PACKED = ("gz", "zip")
SUFFIXES = (*FORMATS, *PACKED)
_SAME = {
    "text": "txt", "markdown": "md", "mdx": "md", "qmd": "md", "ndjson": "jsonl", "jsonlines": "jsonl", "tab": "tsv",
    "htm": "html", "xhtml": "html", "xlsm": "xlsx", "pq": "parquet", "parq": "parquet",
}  # fmt: skip

_DOCUMENT = "open it and save it as plain text (.txt)"
_SHEET = "open it and save it as .xlsx or .csv"
_NO_TEXT = "upload text instead"
_UNPACK = "unpack it, and pack the files as .zip"
_REFUSED = {
    "a Word document": (("docx", "doc", "docm", "dotx"), _DOCUMENT),
    "an OpenDocument text": (("odt", "ott"), _DOCUMENT),
    "an RTF document": (("rtf",), _DOCUMENT),
    "a Pages document": (("pages",), _DOCUMENT),
    "a PDF document": (("pdf",), "save its text as plain text (.txt), or copy it and paste it"),
    "a presentation": (("pptx", "ppt", "odp", "key"), "save its outline as plain text (.txt)"),
    "an e-book": (("epub", "mobi", "azw3"), "convert it to plain text (.txt) or to .html"),
    "an old Excel workbook": (("xls", "xlsb"), _SHEET),
    "an OpenDocument table": (("ods",), _SHEET),
    "a Numbers table": (("numbers",), _SHEET),
    "a notebook": (("ipynb",), "save it as a script (.py) or as Markdown (.md), such as with jupyter nbconvert"),
    "a picture": (("png", "jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff", "ico", "heic", "svg", "psd"), _NO_TEXT),
    "a sound": (("mp3", "wav", "flac", "ogg", "m4a", "aac", "opus"), "upload its transcript"),
    "a film": (("mp4", "avi", "mov", "mkv", "webm"), "upload its transcript or its subtitles (.srt, .vtt)"),
    "a 7z archive": (("7z",), _UNPACK),
    "a RAR archive": (("rar",), _UNPACK),
    "a tar archive": (("tar", "tgz"), _UNPACK),
    "an archive of an unusual kind": (("bz2", "xz", "zst", "lz4", "lzma"), _UNPACK),
    "a database": (("db", "sqlite", "sqlite3", "mdb", "accdb", "duckdb"), "export its text as .csv"),
    "a Python pickle, which can run code": (("pkl", "pickle", "joblib"), "save the data as .csv, .jsonl or .parquet"),
    "a file of arrays or weights": (
        ("npy", "npz", "h5", "hdf5", "pt", "pth", "bin", "safetensors", "gguf", "onnx", "tfrecord"),
        "save the texts as .csv or .jsonl",
    ),
    "an Arrow table": (("arrow", "feather", "orc", "avro"), "save it as .parquet"),
    "a program": (("exe", "dll", "so", "dylib", "class", "jar", "pyc", "o", "a", "wasm", "apk"), _NO_TEXT),
    "a font": (("ttf", "otf", "woff", "woff2"), _NO_TEXT),
}  # fmt: skip
_BY_ENDING = {ending: (what, remedy) for what, (endings, remedy) in _REFUSED.items() for ending in endings}


def format_of(name: str) -> tuple[str, str]:
    """The name without its ending, and the ending in one spelling; no ending where there is none."""
    stem, dot, ending = name.rpartition(".")
    ending = ending.lower()
    return (stem, _SAME.get(ending, ending)) if dot and "/" not in ending else (name, "")


def refusal(format: str) -> str:
    """Why files of this ending can't be read, with what to do instead; empty where they may be text."""
    if format not in _BY_ENDING:
        return ""
    what, remedy = _BY_ENDING[format]
    return f"this is {what} (.{format}), which can't be read; {remedy}."
