"""Mistakes between files and documents on two sides, each with the test that must catch it."""

from engine.tasks import load, rows, splitting
from engine.tasks.files import encodings
from engine.tasks.tables import delimited, json_shapes
from tests.mutation import Mutant, mutant
from tests.tasks import test_columns, test_load, test_splitting
from tests.tasks.files import test_encodings
from tests.tasks.files.test_encodings import FRENCH
from tests.tasks.tables import test_delimited_files, test_dialects, test_json_shapes

_SAME = test_splitting.test_the_held_out_side_is_the_same_for_the_same_seed_whatever_the_order
_HELD_OUT = test_splitting.test_what_the_held_out_files_hold_is_not_trained_on
_REPEATED = test_splitting.test_repeated_documents_stand_on_one_side_once
_CUT = test_splitting.test_each_split_cuts_at_its_own_separator
_SHARE = test_splitting.test_a_share_is_rounded_and_leaves_a_document_on_each_side
_ENCODING = test_encodings.test_the_encoding_is_recognised
_UTF8_CUT = test_encodings.test_utf8_that_ends_within_a_character_is_read_up_to_there_and_says_so
_LINE_ENDS = test_encodings.test_line_ends_become_lf_and_halves_of_characters_are_mended
_FORMS = test_json_shapes.test_frames_with_names_as_index_and_series_and_lists_by_column_are_read
_SIDES = test_json_shapes.test_lists_named_as_the_sides_of_a_task_are_its_sides
_QUOTED = test_delimited_files.test_quoted_line_breaks_quotes_and_crlf_are_read_and_rows_keep_their_line_numbers
_ROWS = test_columns.test_rows_become_documents_and_empty_ones_are_reported

SPLITTING: dict[str, Mutant] = {
    "a held-out side that depends on the order of the files": mutant(
        splitting, "sorted(range(len(documents)), key=lambda i: ranks[i])", "sorted(range(len(documents)))", _SAME
    ),
    "a held-out side that is the same for every seed": mutant(splitting, 'f"split {seed} {', 'f"split {', _SAME),
    "a share that is rounded up": mutant(
        splitting, "round(share * len(documents))", "int(share * len(documents)) + 1", _SHARE
    ),
    "a share that may take all": mutant(splitting, "len(documents) - 1)", "len(documents))", _SHARE),
    "a share that may be nothing": mutant(splitting, "max(1, round(", "max(0, round(", _SHARE),
    "the share on the training side": mutant(
        splitting, "enumerate(unique) if i not in chosen", "enumerate(unique) if i in chosen", _SAME
    ),
    "held-out text that is trained on": mutant(
        splitting,
        "for document in unique if document_key(document, as_chat) not in known",
        "for document in unique",
        _HELD_OUT,
    ),
    "repeated documents that stand on both sides": mutant(
        splitting,
        "first.setdefault(document_key(document, as_chat), document)",
        "first.setdefault((str(id(document)),), document)",
        _REPEATED,
    ),
    "repeats that differ in white space": mutant(
        splitting,
        "return _on_one_line(document.prompt), _on_one_line(document.text)",
        "return document.prompt, document.text",
        _REPEATED,
    ),
    "repeats that are not counted": mutant(splitting, "        len(train) - len(unique),\n", "        0,\n", _REPEATED),
    "a first line that loses its indentation": mutant(
        splitting, 'piece[piece.rfind("\\n", 0, first) + 1 :].rstrip()', "piece.strip()", _CUT
    ),
    "a file's own held-out side that is passed over": mutant(
        load,
        "tested = within or None if not on_training else None",
        "tested = None",
        test_load.test_a_file_of_both_sides_is_trained_on_one_and_scored_on_the_other,
    ),
    "a prompt that is learnt": mutant(
        rows, "Document(text, prompt) if text.strip()", "Document(prompt + text) if text.strip()", _ROWS
    ),
    "several prompts of which one is read": mutant(
        rows,
        '"\\n\\n".join(prompt for prompt in prompts if prompt.strip())',
        "prompts[0]",
        test_columns.test_several_prompt_columns_are_joined_by_a_blank_line_without_the_empty_ones,
    ),
}

TABLES: dict[str, Mutant] = {
    "semicolons that are no delimiter": mutant(
        delimited,
        'DELIMITERS = (",", ";", "\\t", "|")',
        'DELIMITERS = (",", "\\t", "|")',
        test_delimited_files.test_the_delimiter_is_recognised,
        delimiter=";",
    ),
    "quotation marks that are always text": mutant(
        delimited, "csv.QUOTE_MINIMAL if is_quoted", "csv.QUOTE_NONE if is_quoted", _QUOTED
    ),
    "quotation marks that always enclose": mutant(
        delimited,
        "if is_quoted else csv.QUOTE_NONE",
        "",
        test_dialects.test_stray_quotation_marks_join_no_rows_and_are_kept,
        first=10,
        second=13,
    ),
    "blanks before cells that are dropped": mutant(
        delimited,
        "skipinitialspace=spaced",
        "skipinitialspace=True",
        test_delimited_files.test_leading_blanks_of_cells_are_kept,
    ),
    "rows that are numbered and not their lines": mutant(delimited, "line = reader.line_num + 1", "line += 1", _QUOTED),
    "a quotation mark that swallows the rest in silence": mutant(
        delimited,
        "unclosed = None if last == [_SENTINEL] else last_line",
        "unclosed = None",
        test_delimited_files.test_a_quotation_mark_that_never_closes_is_reported_with_its_line,
    ),
    "joined rows that are not taken apart": mutant(
        delimited,
        "if usual > 1 and _is_refused(chunk, delimiter) and",
        "if False and",
        test_dialects.test_stray_quotation_marks_between_quoted_cells_join_no_rows,
    ),
    "escaped quotation marks that end a cell": mutant(
        delimited,
        "if not escaped.is_loose and escaped.unclosed is None:",
        "if False:",
        test_dialects.test_quotation_marks_escaped_by_backslashes_are_read,
    ),
    "both sides of a file exchanged": mutant(
        json_shapes,
        'Part(found[train[0]], train[0], "train", (remark,)), Part(found[held_out[0]], held_out[0], "held_out")',
        'Part(found[held_out[0]], train[0], "train", (remark,)), Part(found[train[0]], held_out[0], "held_out")',
        _SIDES,
        held_out="test",
    ),
    "validation text where there is test text": mutant(
        json_shapes,
        "test if test else validation",
        "validation if validation else test",
        test_json_shapes.test_what_is_neither_side_is_named,
    ),
    "lists left out in silence": mutant(
        json_shapes, 'if rest else "."', 'if False else "."', test_json_shapes.test_what_is_neither_side_is_named
    ),
    "rows within columns for columns within rows": mutant(
        json_shapes,
        "known_outside if known_outside != known_inside",
        "known_inside if known_outside != known_inside",
        _FORMS,
    ),
    "the index of a frame as one of its columns": mutant(
        json_shapes,
        'set(index) if index == ["index"] else set()',
        "set()",
        test_json_shapes.test_a_frame_with_its_schema_has_no_column_of_its_index,
    ),
    "a frame's names in another order": mutant(
        json_shapes,
        "[dict(zip(names, row, strict=True)) for row in rows]",
        "[dict(zip(names[::-1], row, strict=True)) for row in rows]",
        _FORMS,
    ),
}

ENCODINGS: dict[str, Mutant] = {
    "carriage returns that stay": mutant(
        encodings, '.replace("\\r\\n", "\\n").replace("\\r", "\\n")', '.replace("\\r\\n", "\\n")', _LINE_ENDS
    ),
    "line ends of Windows as two": mutant(encodings, '.replace("\\r\\n", "\\n")', "", _LINE_ENDS),
    "Windows-1252 as Latin-1": mutant(
        encodings,
        'encoding = "windows-1252" if has_extra',
        'encoding = "latin-1" if has_extra',
        _ENCODING,
        data=FRENCH.encode("windows-1252"),
        encoding="windows-1252",
        text=FRENCH,
    ),
    "Korean as Chinese": mutant(
        encodings,
        '"\\ud7a3") >= 0.9',
        '"\\ud7a3") > 1',
        _ENCODING,
        data="안녕하세요 세계, 오늘은 날씨가 좋습니다.\n".encode("euc_kr"),
        encoding="euc_kr",
        text=None,
    ),
    "a file that was cut off, in silence": mutant(
        encodings,
        "certain=True, remarks=(_CUT_OFF,))\n        _refuse",
        "certain=True)\n        _refuse",
        _UTF8_CUT,
        cut=1,
        encoding=None,
    ),
    "a guess that is called certain": mutant(
        encodings,
        '"its common Chinese characters", certain=False',
        '"its common Chinese characters", certain=True',
        test_encodings.test_only_encodings_without_a_mark_or_a_proof_are_called_uncertain,
    ),
    "damaged UTF-8 read as another encoding": mutant(
        encodings,
        "if good >= 4 * max(broken, 1):",
        "if False:",
        test_encodings.test_utf8_with_damaged_bytes_inside_names_the_line,
    ),
    "halves of characters dropped": mutant(
        encodings, '.decode("utf-16", "replace")', '.decode("utf-16", "ignore")', _LINE_ENDS
    ),
}

MUTANTS: dict[str, Mutant] = SPLITTING | TABLES | ENCODINGS
