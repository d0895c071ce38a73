"""JSON that every database takes."""

import pytest
from django.core.exceptions import ValidationError

from datasources.admin.console_form import check_values
from portal.lib import plainjson
from portal.lib.paramforms import JsonTextField
from portal.lib.runparams import RunParamsError, validate_run_params


@pytest.mark.parametrize("text", ['{"x": NaN}', '{"x": Infinity}', "[-Infinity]", "1e999", "nope"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError):
        plainjson.read(text)


def test_numbers_and_texts_stay_what_they_are():
    assert plainjson.read(b'{"x": 1.5, "y": [2, true, null], "z": "NaN"}') == {
        "x": 1.5,
        "y": [2, True, None],
        "z": "NaN",
    }


@pytest.mark.parametrize("text", ['{"x": NaN}', '{"x": 1e999}'])
def test_a_field_says_that_it_is_no_json(text):
    with pytest.raises(ValidationError, match="not JSON"):
        JsonTextField().to_python(text)


@pytest.mark.parametrize("text", ["a\x00b", "\ud83d"])
def test_a_text_that_no_database_stores_is_refused_as_a_parameter(text):
    with pytest.raises(ValidationError, match="stores"):
        check_values({"x": text})
    with pytest.raises(RunParamsError) as caught:
        validate_run_params([{"name": "x", "type": "text"}], {"x": text})
    assert "“x”" in str(caught.value.errors[0])
