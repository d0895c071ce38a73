"""PURE: whether a statement is one SELECT that may run on a read-only datasource.

One guard of several (security.md): the database's own read-only transaction, a least-privilege role and a rollback
stand behind it. What this one refuses are the ways round those: functions with side effects, files, locks,
comments that are code, a second statement, variables.

The text that sqlglot sees has no comments and no string that two parsers could read differently: our lexer, which
follows the database's rules, writes it anew.
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from datasources.lexer import Token, split, tokens
from portal.lib.said import said as _

LONGEST = 200_000
DEEPEST = 100  # nested brackets; each level costs sqlglot a dozen stack frames
DIALECTS = {"postgres": "postgres", "mysql": "mysql", "sqlite": "sqlite"}

_REFUSED_NODES = tuple(
    node
    for name in (
        "Insert", "Update", "Delete", "Merge", "Create", "Drop", "Alter", "Command", "Into", "Lock", "Set", "Copy",
        "LoadData", "Attach", "Detach", "Pragma", "Transaction", "Commit", "Rollback", "Kill", "Use", "Grant",
        "Revoke", "TruncateTable", "Describe", "Analyze", "Cache", "Export", "Execute", "PropertyEQ", "Show",
    )
    if (node := getattr(exp, name, None)) is not None
)  # fmt: skip
# Functions that sqlglot has a class for, yet read files, call out or write.
_REFUSED_CLASSES = frozenset({
    "NextValueFor", "ReadCSV", "ReadParquet", "ToFile", "AIAgg", "AISummarizeAgg", "AIClassify", "AIEmbed",
    "AISimilarity", "AIGenerate", "AIForecast", "GenerateEmbedding", "GenerateText", "GenerateTable",
    "GenerateBool", "GenerateInt", "GenerateDouble", "XMLTable",
})  # fmt: skip
_COMMON = """
abs acos ascii asin atan atan2 avg bit_and bit_length bit_or bit_xor cbrt ceil ceiling char char_length
character_length chr coalesce concat concat_ws cos cot count cume_dist current_date current_time
current_timestamp current_user date degrees dense_rank exp first_value floor format greatest group_concat hex
if ifnull instr lag last_value lcase lead least left length ln log log10 log2 lower lpad ltrim max md5 min mod
nth_value ntile nullif octet_length percent_rank pi position pow power radians random rank repeat replace
reverse right round row_number rpad rtrim sign sin space sqrt stddev stddev_pop stddev_samp string_agg substr
substring sum tan time timestamp trim trunc truncate ucase upper user var_pop var_samp variance version
json_array json_object json_extract json_valid json_type json_array_length json_group_array json_group_object
"""
_ALLOWED = {
    "postgres": """
array_agg array_append array_cat array_dims array_length array_lower array_position array_positions
array_prepend array_remove array_replace array_to_string array_upper age any_value bool_and bool_or btrim
cardinality clock_timestamp col_description corr count date_bin date_part date_trunc decode div encode every
extract factorial format_type gcd gen_random_uuid get_bit get_byte grouping host initcap isfinite json_agg
json_array_elements json_array_elements_text json_build_array json_build_object json_each json_each_text
json_extract_path json_extract_path_text json_object_agg json_object_keys json_strip_nulls json_to_record
json_to_recordset json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length
jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_query jsonb_path_query_array jsonb_pretty
jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days justify_hours
justify_interval lcm localtime localtimestamp make_date make_interval make_time make_timestamp
make_timestamptz masklen mode netmask network now num_nonnulls num_nulls obj_description overlay
percentile_cont percentile_disc pg_database_size pg_get_constraintdef pg_get_indexdef pg_get_viewdef
pg_indexes_size pg_is_in_recovery pg_postmaster_start_time pg_relation_size pg_size_pretty
pg_table_size pg_total_relation_size pg_typeof plainto_tsquery phraseto_tsquery quote_ident quote_literal
quote_nullable regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
regexp_split_to_array regexp_split_to_table regexp_substr regr_slope regr_intercept regr_r2 row_to_json
scale similarity split_part starts_with statement_timestamp string_to_array string_to_table strpos
timeofday to_ascii to_char to_date to_hex to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector
transaction_timestamp translate ts_headline ts_rank unnest upper_inf width_bucket websearch_to_tsquery
sha224 sha256 sha384 sha512 lower_inf isempty generate_series generate_subscripts has_table_privilege
""",
    "mysql": """
adddate addtime bin bit_count cast conv convert convert_tz crc32 curdate curtime database date_add
date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear elt export_set field find_in_set
from_base64 from_days from_unixtime hour inet6_aton inet6_ntoa inet_aton inet_ntoa insert interval
json_arrayagg json_contains json_contains_path json_depth json_keys json_length json_merge_patch
json_merge_preserve json_objectagg json_overlaps json_quote json_search json_set json_unquote json_value
last_day locate make_set makedate maketime microsecond mid minute month monthname now oct ord period_add
period_diff quarter quote rand regexp_instr regexp_like regexp_replace regexp_substr sec_to_time second
sha sha1 sha2 soundex std str_to_date strcmp subdate substring_index subtime sysdate time_format
time_to_sec timediff timestampadd timestampdiff to_base64 to_days to_seconds unhex unix_timestamp
utc_date utc_time utc_timestamp uuid week weekday weekofyear year yearweek any_value isnull
""",
    "sqlite": """
acosh changes datetime glob iif json json_each json_tree json_insert json_patch json_quote json_remove
json_replace json_set julianday like likelihood likely printf quote randomblob soundex strftime
total typeof unicode unixepoch unlikely zeroblob generate_series timediff octet_length concat
bm25 highlight snippet sinh cosh tanh
""",
}
_SAFE_STRING = re.compile(r"[\w .,:+%/\[\]{}()$@=<>|&^~?!;-]*\Z")
_SAFE_NAME = re.compile(r"\w+\Z")


class GuardError(Exception):
    """The statement is refused; `str()` says why in one sentence."""


def check_select(sql: str, kind: str) -> None:
    """Refuse all but one SELECT with known functions. `kind` is the driver's; an unknown one is refused."""
    if kind not in DIALECTS:
        raise GuardError(_("Read-only use is not possible with this kind of database."))
    if len(sql) > LONGEST or "\0" in sql:
        raise GuardError(_("The statement is too long or holds characters that SQL does not know."))
    if len(split(sql, kind)) != 1:
        raise GuardError(_("Give exactly one statement: a read-only datasource runs one at a time."))
    pieces = list(tokens(sql, kind))
    _check_tokens(pieces, kind)
    _check_tree(_parse(_canonical(pieces, kind), DIALECTS[kind]), allowed(kind))


def allowed(kind: str) -> frozenset[str]:
    """The functions, in small letters, that a read-only statement may call besides those sqlglot has a class for."""
    return frozenset(f"{_COMMON} {_ALLOWED[kind]}".split())


def _check_tokens(pieces: list[Token], kind: str) -> None:
    if any(token.kind == "broken" for token in pieces):
        raise GuardError(_("A quotation mark is opened and never closed."))
    if any(token.kind == "other" and not _is_known_sign(token.text, kind) for token in pieces):
        raise GuardError(_("The statement is too long or holds characters that SQL does not know."))
    if any(token.kind == "code" or token.text.startswith("/*+") for token in pieces) and kind == "mysql":
        raise GuardError(
            _("Comments that the server executes (/*! … */, /*+ … */) are refused on a read-only datasource.")
        )
    code = [token.text.upper() for token in pieces if token.is_code and token.kind != "string"]
    if not code or code[0] not in ("SELECT", "WITH", "("):
        raise GuardError(_("Only SELECT is allowed on a read-only datasource."))
    if kind == "sqlite" and any(text.strip('"`[]').startswith("PRAGMA_") for text in code):
        raise GuardError(_("A PRAGMA, also as a table, is refused on a read-only datasource."))
    _check_words(code)


def _is_known_sign(sign: str, kind: str) -> bool:
    """Beyond ASCII it is part of a name to the database, and a space to others; SQLite's `$x(…)` is one whole name."""
    return sign.isascii() and sign.isprintable() and not (kind == "sqlite" and sign in "$@#")


def _check_words(code: list[str]) -> None:
    """What a list of words and signs alone gives away."""
    pairs = set(pairwise(code))
    if max(accumulate((text == "(") - (text == ")") for text in code), default=0) > DEEPEST:
        raise GuardError(_("The statement nests too many brackets to be checked."))
    if "UESCAPE" in code:
        raise GuardError(_("Names with UESCAPE are refused on a read-only datasource."))
    if "INTO" in code:
        raise GuardError(
            _("SELECT … INTO writes a table, a variable or a file; it is refused on a read-only datasource.")
        )
    if pairs & {("FOR", "UPDATE"), ("FOR", "SHARE"), ("FOR", "NO"), ("FOR", "KEY"), ("LOCK", "IN")}:
        raise GuardError(_("A SELECT that locks rows is refused on a read-only datasource."))
    if (":", "=") in pairs:
        raise GuardError(_("Setting variables is refused on a read-only datasource."))


def _canonical(pieces: list[Token], kind: str) -> str:
    quote = "`" if kind == "mysql" else '"'
    out: list[str] = []
    for token in pieces:
        text = _rewritten(token, quote)
        # MySQL's `1 --1` is arithmetic; any other reader would take the rest of the line for a comment.
        out.append(f" {text}" if text == "-" and out and out[-1] == "-" else text)
    return "".join(out).strip().rstrip(";")


def _rewritten(token: Token, quote: str) -> str:
    """A space for a comment; strings and quoted names only with characters that no parser treats specially."""
    if token.kind == "comment":
        return " "
    if token.kind == "ident":
        name = token.text[1:-1]
        return quote + (name if _SAFE_NAME.match(name) else "x_") + quote
    if token.kind != "string":
        return token.text
    inner = token.text.lstrip("eE")[1:-1]
    safe = bool(_SAFE_STRING.match(inner)) and not token.text.startswith("$")
    return f"'{inner}'" if safe and "--" not in inner and "/*" not in inner else "'x'"


def _parse(sql: str, dialect: str) -> exp.Expr:
    try:
        trees = [tree for tree in sqlglot.parse(sql, dialect=dialect) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        raise GuardError(
            _("The statement can't be read as one SELECT, so it is refused on a read-only datasource.")
        ) from error
    if len(trees) != 1:
        raise GuardError(_("Give exactly one statement: a read-only datasource runs one at a time."))
    return trees[0]


def _check_tree(tree: exp.Expr, functions: frozenset[str]) -> None:
    if not isinstance(tree, exp.Query):
        raise GuardError(_("Only SELECT is allowed on a read-only datasource."))
    for node in tree.walk():
        if isinstance(node, _REFUSED_NODES):
            raise GuardError(
                _("%(verb)s is refused on a read-only datasource: only SELECT is allowed.")
                % {"verb": type(node).__name__.upper()}
            )
        if isinstance(node, exp.Func):
            _check_function(node, functions)


def _check_function(node: exp.Func, functions: frozenset[str]) -> None:
    unknown = isinstance(node, exp.Anonymous | exp.AnonymousAggFunc)
    name = node.name if unknown else node.sql_name()
    if (unknown and name.lower() not in functions) or type(node).__name__ in _REFUSED_CLASSES:
        raise GuardError(
            _("The function %(name)s is not among those allowed on a read-only datasource.") % {"name": name[:60]}
        )
