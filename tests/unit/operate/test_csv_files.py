"""CSV files, for spreadsheets and programs."""

import io
from collections.abc import Iterator, Sequence

import pytest

from operate.csv_files import write_csv


def write(*rows: Sequence[object]) -> str:
    file = io.StringIO(newline="")
    write_csv(["a", "b"], rows, file)
    return file.getvalue()


def test_lines_end_with_crlf_and_special_characters_are_quoted() -> None:
    assert write(["x,y", 'say "no"'], ["two\nlines", None], [1, "é"]) == (
        'a,b\r\n"x,y","say ""no"""\r\n"two\nlines",\r\n1,é\r\n'
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_evaluate_gets_an_apostrophe(start: str) -> None:
    [_, row] = write([f"{start}1", "x"]).split("\r\n", 1)
    assert row.lstrip('"').startswith(f"'{start}1")


def test_numbers_and_harmless_texts_stay_as_they_are() -> None:
    assert write([-1, "a=1"]) == "a,b\r\n-1,a=1\r\n"


def test_each_row_is_written_as_it_comes_and_counted() -> None:
    file = io.StringIO(newline="")
    sizes: list[int] = []

    def iterate_rows() -> Iterator[list[object]]:
        for number in range(3):
            sizes.append(len(file.getvalue()))
            yield [number, None]

    assert write_csv(["a", "b"], iterate_rows(), file) == 3
    assert sizes == [5, 9, 13]
